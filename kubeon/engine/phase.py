"""One step of an operation, as the runner sees it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Generic, Protocol, TypeVar


class Member(Protocol):
    """A host, as far as the engine cares."""

    @property
    def name(self) -> str:
        """Its name, unique in the operation."""


C = TypeVar("C")
H = TypeVar("H", bound=Member)


class Phase(ABC, Generic[C, H]):
    """What has to be so on each host it concerns, and how it is made so.

    `needs` names phases that must be over on all their hosts before this one begins anywhere; without it a host walks
    on by itself. A need is met when it is over everywhere and went well somewhere: one worker that fails stops nobody.
    """

    name: ClassVar[str]  # stable: in the journal, in flags
    title: ClassVar[str]  # for people
    needs: ClassVar[tuple[type["Phase[C, H]"], ...]] = ()
    at_once: int = 0  # how many hosts may be in it at the same time; 0: as many as the operation allows
    limit: ClassVar[str] = ""  # a limit of the operation that it shares with other phases
    halts_on_failure: ClassVar[bool] = False  # where it fails, nothing begins any more, on no host

    def concerns(self, ctx: C, host: H) -> bool:
        """Does this host take part, going by what is wanted? Pure: it is asked before anything runs."""
        del ctx, host
        return True

    def takes_part(self, ctx: C, host: H) -> bool:
        """Does this host walk through the phase in this operation? Pure, too."""
        return self.concerns(ctx, host)

    def goes_first(self, ctx: C, host: H) -> bool:
        """Shall this host be through the phase before the others begin it? For what lies on the critical path."""
        del ctx, host
        return False

    def halts_after(self, ctx: C, host: H) -> bool:
        """Once this host is well through it, shall nothing begin any more, on no host? What runs comes to its end."""
        del ctx, host
        return False

    def preview(self, ctx: C, host: H) -> Sequence[str]:
        """What would be done on this host, a line each, going by the facts; nothing when all is so already."""
        del ctx, host
        return ()

    @abstractmethod
    def run_on(self, ctx: C, host: H) -> Sequence[str]:
        """Look at the host, do what is missing, and return what was changed, a line each; nothing when all was so.

        Raises KubeonError when it cannot be made so.
        """
