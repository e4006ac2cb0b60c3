"""Serve ``cage.admin.v1.AdminService``."""

from typing import Any, TypeVar

from cage.admin.v1 import admin_service_pb2 as pb
from cage.app.admin import AdminApp
from cage.app.page import Page
from cage.core import admin as core
from cage.core.key import CreateApiKey, RevokeApiKey
from cage.core.money import default_scale
from cage.core.registry import (
    ApiKey,
    Brand,
    Currency,
    Game,
    Integration,
    Operator,
    Role,
    Studio,
    Vertical,
)
from cage.rpc.interceptor import Call
from cage.rpc.registry import (
    expiry_us,
    read_rounds,
    read_rules,
    to_audit_entry,
    to_brand,
    to_currency,
    to_game,
    to_integration,
    to_key,
    to_operator,
    to_studio,
)

Registered = TypeVar("Registered")


class AdminServicer:
    """Answer the rpcs of administration; the guard has judged key, role and form."""

    def __init__(self, app: AdminApp) -> None:
        self._app = app

    async def CreateOperator(
        self, request: pb.CreateOperatorRequest, call: Call
    ) -> pb.CreateOperatorResponse:
        """Create an operator."""
        command = core.CreateOperator(
            key_id=call.key.key_id,
            request_id=request.request_id,
            operator_id=request.operator_id,
            display_name=request.display_name,
            enabled=is_enabled(request),
        )
        row = await self._app.change(command, Operator, timeout_s=call.timeout_s)
        return pb.CreateOperatorResponse(operator=to_operator(row))

    async def UpdateOperator(
        self, request: pb.UpdateOperatorRequest, call: Call
    ) -> pb.UpdateOperatorResponse:
        """Replace what can change of an operator."""
        sent = request.operator
        command = core.UpdateOperator(
            key_id=call.key.key_id,
            request_id=request.request_id,
            operator_id=sent.operator_id,
            display_name=sent.display_name,
            enabled=sent.enabled,
            in_maintenance=sent.in_maintenance,
        )
        row = await self._app.change(command, Operator, timeout_s=call.timeout_s)
        return pb.UpdateOperatorResponse(operator=to_operator(row))

    async def ListOperators(
        self, request: pb.ListOperatorsRequest, call: Call
    ) -> pb.ListOperatorsResponse:
        """List the operators."""
        page = await self._page(Operator, request, call)
        return pb.ListOperatorsResponse(
            operators=[to_operator(row) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def CreateBrand(
        self, request: pb.CreateBrandRequest, call: Call
    ) -> pb.CreateBrandResponse:
        """Create a brand."""
        command = core.CreateBrand(
            key_id=call.key.key_id,
            request_id=request.request_id,
            brand_id=request.brand_id,
            operator_id=request.operator_id,
            display_name=request.display_name,
            enabled=is_enabled(request),
        )
        row = await self._app.change(command, Brand, timeout_s=call.timeout_s)
        return pb.CreateBrandResponse(brand=to_brand(row, self._app.registry))

    async def UpdateBrand(
        self, request: pb.UpdateBrandRequest, call: Call
    ) -> pb.UpdateBrandResponse:
        """Replace what can change of a brand."""
        sent = request.brand
        command = core.UpdateBrand(
            key_id=call.key.key_id,
            request_id=request.request_id,
            brand_id=sent.brand_id,
            operator_id=sent.operator_id,
            display_name=sent.display_name,
            enabled=sent.enabled,
            in_maintenance=sent.in_maintenance,
        )
        row = await self._app.change(command, Brand, timeout_s=call.timeout_s)
        return pb.UpdateBrandResponse(brand=to_brand(row, self._app.registry))

    async def ListBrands(
        self, request: pb.ListBrandsRequest, call: Call
    ) -> pb.ListBrandsResponse:
        """List the brands."""
        page = await self._page(Brand, request, call, parent_id=request.operator_id)
        registry = self._app.registry
        return pb.ListBrandsResponse(
            brands=[to_brand(row, registry) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def CreateIntegration(
        self, request: pb.CreateIntegrationRequest, call: Call
    ) -> pb.CreateIntegrationResponse:
        """Create an integration."""
        command = core.CreateIntegration(
            key_id=call.key.key_id,
            request_id=request.request_id,
            integration_id=request.integration_id,
            display_name=request.display_name,
            enabled=is_enabled(request),
            rules=read_rules(request),
            **read_rounds(request),
        )
        row = await self._app.change(command, Integration, timeout_s=call.timeout_s)
        return pb.CreateIntegrationResponse(integration=to_integration(row))

    async def UpdateIntegration(
        self, request: pb.UpdateIntegrationRequest, call: Call
    ) -> pb.UpdateIntegrationResponse:
        """Replace what can change of an integration."""
        sent = request.integration
        command = core.UpdateIntegration(
            key_id=call.key.key_id,
            request_id=request.request_id,
            integration_id=sent.integration_id,
            display_name=sent.display_name,
            enabled=sent.enabled,
            in_maintenance=sent.in_maintenance,
            rules=read_rules(sent),
            **read_rounds(sent),
        )
        row = await self._app.change(command, Integration, timeout_s=call.timeout_s)
        return pb.UpdateIntegrationResponse(integration=to_integration(row))

    async def ListIntegrations(
        self, request: pb.ListIntegrationsRequest, call: Call
    ) -> pb.ListIntegrationsResponse:
        """List the integrations."""
        page = await self._page(Integration, request, call)
        return pb.ListIntegrationsResponse(
            integrations=[to_integration(row) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def CreateStudio(
        self, request: pb.CreateStudioRequest, call: Call
    ) -> pb.CreateStudioResponse:
        """Create a studio."""
        command = core.CreateStudio(
            key_id=call.key.key_id,
            request_id=request.request_id,
            studio_id=request.studio_id,
            display_name=request.display_name,
            enabled=is_enabled(request),
        )
        row = await self._app.change(command, Studio, timeout_s=call.timeout_s)
        return pb.CreateStudioResponse(studio=to_studio(row))

    async def UpdateStudio(
        self, request: pb.UpdateStudioRequest, call: Call
    ) -> pb.UpdateStudioResponse:
        """Replace what can change of a studio."""
        sent = request.studio
        command = core.UpdateStudio(
            key_id=call.key.key_id,
            request_id=request.request_id,
            studio_id=sent.studio_id,
            display_name=sent.display_name,
            enabled=sent.enabled,
            in_maintenance=sent.in_maintenance,
        )
        row = await self._app.change(command, Studio, timeout_s=call.timeout_s)
        return pb.UpdateStudioResponse(studio=to_studio(row))

    async def ListStudios(
        self, request: pb.ListStudiosRequest, call: Call
    ) -> pb.ListStudiosResponse:
        """List the studios."""
        page = await self._page(Studio, request, call)
        return pb.ListStudiosResponse(
            studios=[to_studio(row) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def CreateGame(
        self, request: pb.CreateGameRequest, call: Call
    ) -> pb.CreateGameResponse:
        """Create a game."""
        command = core.CreateGame(
            key_id=call.key.key_id,
            request_id=request.request_id,
            game_id=request.game_id,
            studio_id=request.studio_id,
            display_name=request.display_name,
            enabled=is_enabled(request),
            vertical=request.vertical or Vertical.CASINO,
            history_url_template=request.history_url_template,
        )
        row = await self._app.change(command, Game, timeout_s=call.timeout_s)
        return pb.CreateGameResponse(game=to_game(row, self._app.registry))

    async def UpdateGame(
        self, request: pb.UpdateGameRequest, call: Call
    ) -> pb.UpdateGameResponse:
        """Replace what can change of a game."""
        sent = request.game
        command = core.UpdateGame(
            key_id=call.key.key_id,
            request_id=request.request_id,
            game_id=sent.game_id,
            studio_id=sent.studio_id,
            display_name=sent.display_name,
            enabled=sent.enabled,
            in_maintenance=sent.in_maintenance,
            vertical=sent.vertical or Vertical.CASINO,
            history_url_template=sent.history_url_template,
        )
        row = await self._app.change(command, Game, timeout_s=call.timeout_s)
        return pb.UpdateGameResponse(game=to_game(row, self._app.registry))

    async def ListGames(
        self, request: pb.ListGamesRequest, call: Call
    ) -> pb.ListGamesResponse:
        """List the games."""
        page = await self._page(Game, request, call, parent_id=request.studio_id)
        registry = self._app.registry
        return pb.ListGamesResponse(
            games=[to_game(row, registry) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def CreateCurrency(
        self, request: pb.CreateCurrencyRequest, call: Call
    ) -> pb.CreateCurrencyResponse:
        """Create a currency."""
        has_scale = request.HasField("scale")
        code = request.currency_code
        command = core.CreateCurrency(
            key_id=call.key.key_id,
            request_id=request.request_id,
            currency_code=code,
            scale=request.scale if has_scale else default_scale(code),
        )
        row = await self._app.change(command, Currency, timeout_s=call.timeout_s)
        return pb.CreateCurrencyResponse(currency=to_currency(row))

    async def ListCurrencies(
        self, request: pb.ListCurrenciesRequest, call: Call
    ) -> pb.ListCurrenciesResponse:
        """List the currencies."""
        page = await self._page(Currency, request, call)
        return pb.ListCurrenciesResponse(
            currencies=[to_currency(row) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def CreateApiKey(
        self, request: pb.CreateApiKeyRequest, call: Call
    ) -> pb.CreateApiKeyResponse:
        """Create an API key, whose secret is shown once."""
        has_expiry = request.HasField("expire_time")
        command = CreateApiKey(
            key_id=call.key.key_id,
            request_id=request.request_id,
            new_key_id=request.key_id,
            role=Role(request.role),
            integration_id=request.integration_id,
            operator_ids=tuple(request.operator_ids),
            display_name=request.display_name,
            expire_time_us=expiry_us(request.expire_time) if has_expiry else 0,
        )
        answer = await self._app.create_key(command, timeout_s=call.timeout_s)
        return pb.CreateApiKeyResponse(
            key=to_key(answer.key, self._app.registry),
            api_key=answer.api_key,
            replayed=answer.replayed,
        )

    async def RevokeApiKey(
        self, request: pb.RevokeApiKeyRequest, call: Call
    ) -> pb.RevokeApiKeyResponse:
        """Revoke an API key for good."""
        command = RevokeApiKey(
            key_id=call.key.key_id,
            request_id=request.request_id,
            revoked_key_id=request.key_id,
        )
        row = await self._app.change(command, ApiKey, timeout_s=call.timeout_s)
        return pb.RevokeApiKeyResponse(key=to_key(row, self._app.registry))

    async def ListApiKeys(
        self, request: pb.ListApiKeysRequest, call: Call
    ) -> pb.ListApiKeysResponse:
        """List the API keys."""
        page = await self._page(ApiKey, request, call)
        registry = self._app.registry
        return pb.ListApiKeysResponse(
            keys=[to_key(row, registry) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def ListAuditEntries(
        self, request: pb.ListAuditEntriesRequest, _call: Call
    ) -> pb.ListAuditEntriesResponse:
        """List the changes made by people and keys."""
        page = await self._app.list_audit(
            noun=request.noun,
            noun_id=request.noun_id,
            page_size=request.page_size,
            page_token=request.page_token,
        )
        return pb.ListAuditEntriesResponse(
            entries=[to_audit_entry(row) for row in page.items],
            next_page_token=page.next_page_token,
        )

    async def _page(
        self, kind: type[Registered], request: Any, call: Call, parent_id: str = ""
    ) -> Page[Registered]:
        """Read the page that a list request of any kind asks for."""
        return await self._app.list_rows(
            call.key,
            kind,
            parent_id=parent_id,
            page_size=request.page_size,
            page_token=request.page_token,
            timeout_s=call.timeout_s,
        )


def is_enabled(request: Any) -> bool:
    """Return the switch that a creation sends; absent means on."""
    return request.enabled if request.HasField("enabled") else True
