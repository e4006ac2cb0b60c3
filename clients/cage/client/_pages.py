"""Walk through lists that the server gives out page by page."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Generic, Protocol, TypeVar

Item = TypeVar("Item")


class PageOf(Protocol):
    """Be the reply of a list rpc."""

    @property
    def next_page_token(self) -> str:
        """Name the next page; empty on the last one."""


Page = TypeVar("Page", bound=PageOf)


class Pager(Generic[Item, Page]):
    """Iterate over all items of a list, fetching a page when it is needed.

    ``async for item in pager`` gives items, ``async for page in pager.pages()`` the
    replies, ``await pager.page(token)`` just one. Nothing is sent before that, every
    iteration starts at the first page, and each page is a call with its own retries
    that raises CageError.
    """

    def __init__(
        self,
        fetch: Callable[[str], Awaitable[Page]],
        items: Callable[[Page], Iterable[Item]],
    ) -> None:
        self._fetch = fetch
        self._items = items

    async def page(self, page_token: str = "") -> Page:
        """Fetch one page: the first, or the one that ``page_token`` names."""
        return await self._fetch(page_token)

    async def pages(self, page_token: str = "") -> AsyncIterator[Page]:
        """Iterate over the pages, from the one that ``page_token`` names."""
        while True:
            page = await self._fetch(page_token)
            yield page
            page_token = page.next_page_token
            if not page_token:
                return

    async def __aiter__(self) -> AsyncIterator[Item]:
        """Iterate over the items of all pages."""
        async for page in self.pages():
            for item in self._items(page):
                yield item
