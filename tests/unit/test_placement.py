import pytest

from harness.ground.errors import UsageError
from harness.machine.placement import GIB, place, usable_cpus


def test_two_cpus() -> None:
    """On two CPUs the SUT has the first, with 1 CPU and 1 GiB, and all else shares the second."""
    placement = place((0, 1), cpus_wanted=None, memory_wanted=None)
    assert (placement.sut_cpus, placement.generator_cpus, placement.service_cpus) == ((0,), (1,), (1,))
    assert (placement.caps.cpus, placement.caps.memory_bytes) == (1.0, GIB)
    assert placement.overlap


def test_one_cpu_is_shared_by_all() -> None:
    """On one CPU everything overlaps, and says so."""
    placement = place((3,), cpus_wanted=None, memory_wanted=None)
    assert {placement.sut_cpus, placement.generator_cpus, placement.service_cpus} == {(3,)}
    assert placement.overlap
    assert placement.caps.cpus == 1.0


@pytest.mark.parametrize("count", [8, 12, 16, 64])
def test_eight_and_more_are_the_articles(count: int) -> None:
    """From eight CPUs on the SUT has the article's 4 CPUs and 8 GiB, and nobody shares."""
    placement = place(tuple(range(count)), cpus_wanted=None, memory_wanted=None)
    assert placement.sut_cpus == (0, 1, 2, 3)
    assert (placement.caps.cpus, placement.caps.memory_bytes) == (4.0, 8 * GIB)
    assert not placement.overlap


@pytest.mark.parametrize("count", range(3, 20))
@pytest.mark.parametrize("wanted", [None, 0.5, 1.0])
def test_three_and_more_are_disjoint(count: int, wanted: float | None) -> None:
    """From three CPUs on no CPU serves two of the three parties."""
    placement = place(tuple(range(10, 10 + count)), cpus_wanted=wanted, memory_wanted=None)
    everyone = placement.sut_cpus + placement.generator_cpus + placement.service_cpus
    assert len(everyone) == len(set(everyone))
    assert placement.generator_cpus
    assert placement.service_cpus
    assert not placement.overlap


def test_wishes_are_kept() -> None:
    """A fraction of a CPU takes the whole CPU and caps the fraction; memory is as asked for."""
    placement = place((0, 1, 2, 3), cpus_wanted=1.5, memory_wanted=3 * GIB)
    assert placement.sut_cpus == (0, 1)
    assert (placement.caps.cpus, placement.caps.memory_bytes) == (1.5, 3 * GIB)


def test_all_cpus_for_the_sut_overlap() -> None:
    """Who wants every CPU for the SUT gets it, with the rest on the last one and the overlap said."""
    placement = place((0, 1), cpus_wanted=2, memory_wanted=None)
    assert placement.sut_cpus == (0, 1)
    assert placement.generator_cpus == (1,)
    assert placement.overlap


@pytest.mark.parametrize("wanted", [0, -1, 3, float("nan"), float("inf")])
def test_impossible_cpus(wanted: float) -> None:
    """CPUs that are not there are refused with the flag's name."""
    with pytest.raises(UsageError, match="--cpus"):
        place((0, 1), cpus_wanted=wanted, memory_wanted=None)


@pytest.mark.parametrize("wanted", [1, 1 << 20, 5 * GIB])
def test_impossible_memory(wanted: int) -> None:
    """Memory that no variant starts in, or that the machine lacks, is refused with the flag's name."""
    with pytest.raises(UsageError, match="--memory"):
        place((0, 1), cpus_wanted=None, memory_wanted=wanted, memory_bytes=4 * GIB)


def test_default_memory_fits_the_machine() -> None:
    """A default takes half of the machine's memory at most."""
    placement = place(tuple(range(8)), cpus_wanted=None, memory_wanted=None, memory_bytes=4 * GIB)
    assert placement.caps.memory_bytes == 2 * GIB


def test_usable_cpus_here() -> None:
    """There is at least one CPU to use here."""
    assert usable_cpus()
