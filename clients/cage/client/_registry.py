"""Call AdminService for what a game belongs to: operators to games.

``_admin`` adds currencies, keys and the audit.
"""

from cage.admin.v1.admin_pb2 import (
    Brand,
    Game,
    Integration,
    Operator,
    Studio,
    UnfinishedRoundAction,
)
from cage.admin.v1.admin_service_pb2 import (
    CreateBrandRequest,
    CreateBrandResponse,
    CreateGameRequest,
    CreateGameResponse,
    CreateIntegrationRequest,
    CreateIntegrationResponse,
    CreateOperatorRequest,
    CreateOperatorResponse,
    CreateStudioRequest,
    CreateStudioResponse,
    ListBrandsRequest,
    ListBrandsResponse,
    ListGamesRequest,
    ListGamesResponse,
    ListIntegrationsRequest,
    ListIntegrationsResponse,
    ListOperatorsRequest,
    ListOperatorsResponse,
    ListStudiosRequest,
    ListStudiosResponse,
    UpdateBrandRequest,
    UpdateBrandResponse,
    UpdateGameRequest,
    UpdateGameResponse,
    UpdateIntegrationRequest,
    UpdateIntegrationResponse,
    UpdateOperatorRequest,
    UpdateOperatorResponse,
    UpdateStudioRequest,
    UpdateStudioResponse,
)
from cage.client._channel import Caller
from cage.client._ids import new_id
from cage.client._pages import Pager
from cage.type.v1.vertical_pb2 import Vertical
from cage.wallet.v1.wallet_pb2 import WalletRules

_REPORT = UnfinishedRoundAction.UNFINISHED_ROUND_ACTION_REPORT


class Registry:
    """Keep operators, brands, integrations, studios and games."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    async def create_operator(
        self,
        *,
        operator_id: str,
        display_name: str = "",
        enabled: bool = True,
        request_id: str | None = None,
    ) -> CreateOperatorResponse:
        """Create an operator under an id that never changes.

        Raises IdTakenError, RequestMismatchError.
        """
        request = CreateOperatorRequest(
            request_id=request_id or new_id(),
            operator_id=operator_id,
            display_name=display_name,
            enabled=enabled,
        )
        return await self._caller.call(request, CreateOperatorResponse)

    async def update_operator(
        self,
        *,
        operator_id: str,
        display_name: str,
        enabled: bool,
        in_maintenance: bool = False,
        request_id: str | None = None,
    ) -> UpdateOperatorResponse:
        """Replace everything that can change of an operator.

        Raises OperatorNotFoundError, RequestMismatchError.
        """
        operator = Operator(
            operator_id=operator_id,
            display_name=display_name,
            enabled=enabled,
            in_maintenance=in_maintenance,
        )
        request = UpdateOperatorRequest(
            request_id=request_id or new_id(), operator=operator
        )
        return await self._caller.call(request, UpdateOperatorResponse)

    def list_operators(
        self, *, page_size: int = 0
    ) -> Pager[Operator, ListOperatorsResponse]:
        """List the operators, oldest first.

        Raises PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListOperatorsResponse:
            request = ListOperatorsRequest(page_size=page_size, page_token=page_token)
            return await self._caller.call(request, ListOperatorsResponse)

        return Pager(fetch, lambda page: page.operators)

    async def create_brand(
        self,
        *,
        brand_id: str,
        operator_id: str,
        display_name: str = "",
        enabled: bool = True,
        request_id: str | None = None,
    ) -> CreateBrandResponse:
        """Create a brand under an id that never changes.

        Raises IdTakenError, OperatorNotFoundError, RequestMismatchError.
        """
        request = CreateBrandRequest(
            request_id=request_id or new_id(),
            brand_id=brand_id,
            operator_id=operator_id,
            display_name=display_name,
            enabled=enabled,
        )
        return await self._caller.call(request, CreateBrandResponse)

    async def update_brand(
        self,
        *,
        brand_id: str,
        display_name: str,
        enabled: bool,
        in_maintenance: bool = False,
        request_id: str | None = None,
    ) -> UpdateBrandResponse:
        """Replace everything that can change of a brand.

        Raises BrandNotFoundError, RequestMismatchError.
        """
        brand = Brand(
            brand_id=brand_id,
            display_name=display_name,
            enabled=enabled,
            in_maintenance=in_maintenance,
        )
        request = UpdateBrandRequest(request_id=request_id or new_id(), brand=brand)
        return await self._caller.call(request, UpdateBrandResponse)

    def list_brands(
        self, *, operator_id: str = "", page_size: int = 0
    ) -> Pager[Brand, ListBrandsResponse]:
        """List the brands, of one operator or of all, oldest first.

        Raises OperatorNotFoundError, PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListBrandsResponse:
            request = ListBrandsRequest(
                operator_id=operator_id, page_size=page_size, page_token=page_token
            )
            return await self._caller.call(request, ListBrandsResponse)

        return Pager(fetch, lambda page: page.brands)

    async def create_integration(
        self,
        *,
        integration_id: str,
        display_name: str = "",
        enabled: bool = True,
        rules: WalletRules | None = None,
        unfinished_round_action: UnfinishedRoundAction.ValueType = _REPORT,
        unfinished_round_after_s: int = 0,
        history_url_template: str = "",
        request_id: str | None = None,
    ) -> CreateIntegrationResponse:
        """Create an integration under an id that never changes.

        ``rules`` say what the wallet does where studios disagree; what they leave
        out is the default. Rounds that stay unfinished for ``unfinished_round_after_s``
        (0 is 48 hours) are reported, closed or voided.

        Raises IdTakenError, RequestMismatchError.
        """
        request = CreateIntegrationRequest(
            request_id=request_id or new_id(),
            integration_id=integration_id,
            display_name=display_name,
            enabled=enabled,
            rules=rules,
            unfinished_round_action=unfinished_round_action,
            unfinished_round_after_s=unfinished_round_after_s,
            history_url_template=history_url_template,
        )
        return await self._caller.call(request, CreateIntegrationResponse)

    async def update_integration(
        self,
        *,
        integration_id: str,
        display_name: str,
        enabled: bool,
        in_maintenance: bool = False,
        rules: WalletRules | None = None,
        unfinished_round_action: UnfinishedRoundAction.ValueType = _REPORT,
        unfinished_round_after_s: int = 0,
        history_url_template: str = "",
        request_id: str | None = None,
    ) -> UpdateIntegrationResponse:
        """Replace everything that can change of an integration.

        The rules as well: what ``rules`` leave out becomes the default, and without
        them all of them do. To change one, send those of the last reply with it. So
        do what becomes of unfinished rounds and the template.

        Raises IntegrationNotFoundError, RequestMismatchError.
        """
        integration = Integration(
            integration_id=integration_id,
            display_name=display_name,
            enabled=enabled,
            in_maintenance=in_maintenance,
            rules=rules,
            unfinished_round_action=unfinished_round_action,
            unfinished_round_after_s=unfinished_round_after_s,
            history_url_template=history_url_template,
        )
        request = UpdateIntegrationRequest(
            request_id=request_id or new_id(), integration=integration
        )
        return await self._caller.call(request, UpdateIntegrationResponse)

    def list_integrations(
        self, *, page_size: int = 0
    ) -> Pager[Integration, ListIntegrationsResponse]:
        """List the integrations, oldest first.

        Raises PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListIntegrationsResponse:
            request = ListIntegrationsRequest(
                page_size=page_size, page_token=page_token
            )
            return await self._caller.call(request, ListIntegrationsResponse)

        return Pager(fetch, lambda page: page.integrations)

    async def create_studio(
        self,
        *,
        studio_id: str,
        display_name: str = "",
        enabled: bool = True,
        request_id: str | None = None,
    ) -> CreateStudioResponse:
        """Create a studio under an id that never changes.

        Raises IdTakenError, RequestMismatchError.
        """
        request = CreateStudioRequest(
            request_id=request_id or new_id(),
            studio_id=studio_id,
            display_name=display_name,
            enabled=enabled,
        )
        return await self._caller.call(request, CreateStudioResponse)

    async def update_studio(
        self,
        *,
        studio_id: str,
        display_name: str,
        enabled: bool,
        in_maintenance: bool = False,
        request_id: str | None = None,
    ) -> UpdateStudioResponse:
        """Replace everything that can change of a studio.

        Raises StudioNotFoundError, RequestMismatchError.
        """
        studio = Studio(
            studio_id=studio_id,
            display_name=display_name,
            enabled=enabled,
            in_maintenance=in_maintenance,
        )
        request = UpdateStudioRequest(request_id=request_id or new_id(), studio=studio)
        return await self._caller.call(request, UpdateStudioResponse)

    def list_studios(self, *, page_size: int = 0) -> Pager[Studio, ListStudiosResponse]:
        """List the studios, oldest first.

        Raises PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListStudiosResponse:
            request = ListStudiosRequest(page_size=page_size, page_token=page_token)
            return await self._caller.call(request, ListStudiosResponse)

        return Pager(fetch, lambda page: page.studios)

    async def create_game(
        self,
        *,
        game_id: str,
        studio_id: str,
        display_name: str = "",
        enabled: bool = True,
        vertical: Vertical.ValueType = Vertical.VERTICAL_UNSPECIFIED,
        history_url_template: str = "",
        request_id: str | None = None,
    ) -> CreateGameResponse:
        """Create a game under an id that never changes.

        Raises IdTakenError, StudioNotFoundError, RequestMismatchError.
        """
        request = CreateGameRequest(
            request_id=request_id or new_id(),
            game_id=game_id,
            studio_id=studio_id,
            display_name=display_name,
            enabled=enabled,
            vertical=vertical,
            history_url_template=history_url_template,
        )
        return await self._caller.call(request, CreateGameResponse)

    async def update_game(
        self,
        *,
        game_id: str,
        display_name: str,
        enabled: bool,
        in_maintenance: bool = False,
        vertical: Vertical.ValueType = Vertical.VERTICAL_UNSPECIFIED,
        history_url_template: str = "",
        request_id: str | None = None,
    ) -> UpdateGameResponse:
        """Replace everything that can change of a game.

        The kind of gambling too: CASINO unless ``vertical`` says otherwise.

        Raises GameNotFoundError, RequestMismatchError.
        """
        game = Game(
            game_id=game_id,
            display_name=display_name,
            enabled=enabled,
            in_maintenance=in_maintenance,
            vertical=vertical,
            history_url_template=history_url_template,
        )
        request = UpdateGameRequest(request_id=request_id or new_id(), game=game)
        return await self._caller.call(request, UpdateGameResponse)

    def list_games(
        self, *, studio_id: str = "", page_size: int = 0
    ) -> Pager[Game, ListGamesResponse]:
        """List the games, of one studio or of all, oldest first.

        Raises StudioNotFoundError, PageTokenInvalidError, when a page is fetched.
        """

        async def fetch(page_token: str) -> ListGamesResponse:
            request = ListGamesRequest(
                studio_id=studio_id, page_size=page_size, page_token=page_token
            )
            return await self._caller.call(request, ListGamesResponse)

        return Pager(fetch, lambda page: page.games)
