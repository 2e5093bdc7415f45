"""A source whose figures are of another basis, as accounts take them."""

from autoscale.carbon.intensity.base import Intensity, IntensitySource
from autoscale.carbon.intensity.basis import of_accounts, on_account_basis
from autoscale.query.outcome import Method, worst


class RebasedIntensity(IntensitySource):
    """What another source tells, taken as life cycle and of consumption where it is of something else.

    A marginal figure stays as it is: what the plant that answers emits upstream is in no list.

    Args:
        source: the other one; its own figures are told as they are by it alone.
    """

    def __init__(self, source: IntensitySource) -> None:
        self.kind = source.kind
        self.is_live = source.is_live
        self.basis = of_accounts(source.basis)
        self.source = source

    def at(self, place: str, time_s: float) -> Intensity:
        """The other source's figure, on the basis of accounts."""
        return rebased(self.source.at(place, time_s))

    @property
    def trouble(self) -> str | None:
        """The other source's."""
        return self.source.trouble

    def forecast(self, place: str, time_s: float, horizon_s: float) -> tuple[Intensity, ...]:
        """The other source's, on the basis of accounts."""
        return tuple(map(rebased, self.source.forecast(place, time_s, horizon_s)))


def rebased(figure: Intensity) -> Intensity:
    """A figure as an account takes it; its ``source`` says by which factor where one was used."""
    if figure.basis.is_of_accounts or figure.kind == "marginal":
        return figure
    span, how = on_account_basis(figure.range_g_per_kwh, figure.basis)
    method = worst(figure.method, Method.MODELLED)
    source, basis = f"{figure.source}; {how}", of_accounts(figure.basis)
    return Intensity.of(span, figure.kind, source, figure.time_s, method, basis)


def on_basis_of_accounts(source: IntensitySource) -> IntensitySource:
    """The source itself where its figures are what accounts take, else wrapped."""
    needs_none = source.basis.is_of_accounts or source.kind == "marginal"
    return source if needs_none else RebasedIntensity(source)
