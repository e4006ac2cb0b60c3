"""Call AdminService: what a deployment is made of."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from cage.admin.v1.admin_pb2 import ApiKey, AuditEntry, Currency, Role
from cage.admin.v1.admin_service_pb2 import (
    CreateApiKeyRequest,
    CreateApiKeyResponse,
    CreateCurrencyRequest,
    CreateCurrencyResponse,
    ListApiKeysRequest,
    ListApiKeysResponse,
    ListAuditEntriesRequest,
    ListAuditEntriesResponse,
    ListCurrenciesRequest,
    ListCurrenciesResponse,
    RevokeApiKeyRequest,
    RevokeApiKeyResponse,
)
from cage.client._ids import new_id
from cage.client._pages import Pager
from cage.client._registry import Registry
from cage.client._times import timestamp_of


class Admin(Registry):
    """Call AdminService with a key of role ADMIN.

    ``page_size`` of a list is 0 to 1,000 items; 0 leaves it to the server.
    """

    async def create_currency(
        self,
        *,
        currency_code: str,
        scale: int | None = None,
        request_id: str | None = None,
    ) -> CreateCurrencyResponse:
        """Create a currency with its ledger scale, which never changes.

        ``scale`` is 0 to 18 decimal places; None takes the ISO 4217 minor unit, or 8
        for a code that ISO 4217 does not know.

        Raises IdTakenError, RequestMismatchError.
        """
        request = CreateCurrencyRequest(
            request_id=request_id or new_id(), currency_code=currency_code, scale=scale
        )
        return await self._caller.call(request, CreateCurrencyResponse)

    def list_currencies(
        self, *, page_size: int = 0
    ) -> Pager[Currency, ListCurrenciesResponse]:
        """List the currencies, oldest first.

        Raises PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListCurrenciesResponse:
            request = ListCurrenciesRequest(page_size=page_size, page_token=page_token)
            return await self._caller.call(request, ListCurrenciesResponse)

        return Pager(fetch, lambda page: page.currencies)

    async def create_api_key(
        self,
        *,
        key_id: str,
        role: Role.ValueType,
        integration_id: str = "",
        operator_ids: Iterable[str] = (),
        display_name: str = "",
        expire_time: datetime | None = None,
        request_id: str | None = None,
    ) -> CreateApiKeyResponse:
        """Create an API key, whose secret is shown once.

        The secret is empty when ``replayed``, also after a retry whose first reply
        was lost: create another key then, and revoke this one.

        Raises IdTakenError, IntegrationNotFoundError, OperatorNotFoundError,
        RequestMismatchError.
        """
        request = CreateApiKeyRequest(
            request_id=request_id or new_id(),
            key_id=key_id,
            role=role,
            integration_id=integration_id,
            operator_ids=operator_ids,
            display_name=display_name,
            expire_time=timestamp_of(expire_time),
        )
        return await self._caller.call(request, CreateApiKeyResponse)

    async def revoke_api_key(
        self, *, key_id: str, request_id: str | None = None
    ) -> RevokeApiKeyResponse:
        """Revoke an API key for good; revoking it again changes nothing.

        Raises KeyNotFoundError, RequestMismatchError.
        """
        request = RevokeApiKeyRequest(request_id=request_id or new_id(), key_id=key_id)
        return await self._caller.call(request, RevokeApiKeyResponse)

    def list_api_keys(
        self, *, page_size: int = 0
    ) -> Pager[ApiKey, ListApiKeysResponse]:
        """List the API keys without their secrets, oldest first.

        Raises PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListApiKeysResponse:
            request = ListApiKeysRequest(page_size=page_size, page_token=page_token)
            return await self._caller.call(request, ListApiKeysResponse)

        return Pager(fetch, lambda page: page.keys)

    def list_audit_entries(
        self, *, noun: str = "", noun_id: str = "", page_size: int = 0
    ) -> Pager[AuditEntry, ListAuditEntriesResponse]:
        """List the changes made by people and keys, oldest commit first.

        Raises PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListAuditEntriesResponse:
            request = ListAuditEntriesRequest(
                noun=noun, noun_id=noun_id, page_size=page_size, page_token=page_token
            )
            return await self._caller.call(request, ListAuditEntriesResponse)

        return Pager(fetch, lambda page: page.entries)
