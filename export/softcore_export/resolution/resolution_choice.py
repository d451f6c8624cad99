"""Resolution choice: which input size of the network pays, by what each costs and what each shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SIDES", "USUAL", "ChoiceRule", "ResolutionChoice", "Trial", "choose_side"]

USUAL = 224  # pixels: the input that is taken unless another one is better
SIDES = (160, USUAL, 320, 448)  # that are tried; less than the usual one only to keep within the budget


@dataclass(frozen=True)
class ChoiceRule:
    """The constants of `choose_side`, chosen in `softcore_benchmarks.resolution`.

    Attributes:
        gain: of the separation, that a larger input must gain over the usual one.
        equal: of the separation, that a larger input may lack to be taken instead of a smaller one.
    """

    gain: float = 0.02
    equal: float = 0.01


@dataclass(frozen=True)
class Trial:
    """What was measured of one input size.

    Attributes:
        side: of the network's input, in pixels.
        milliseconds: of the network for one frame; None if it wasn't measured.
        separation: how often a defective image scores above a good one, 0 to 1; None if it wasn't measured.
        gain: interval of what defects that a person has confirmed gain over the usual size in AUROC; None if
            there are none.
        note: why it wasn't measured, or can't be chosen; "" else.
    """

    side: int
    milliseconds: float | None = None
    separation: float | None = None
    note: str = ""
    gain: tuple[float, float] | None = None


@dataclass(frozen=True)
class ResolutionChoice:
    """A choice, and what it was made from.

    Attributes:
        side: of the network's input, in pixels.
        trials: by size.
        budget: milliseconds that the network may take for a frame.
        labelled: whether defects were labelled images'; they are synthetic otherwise.
        images: number of good images that were scored.
        defects: number of defective images that were scored.
        confirmed: number of defects that a person has confirmed, beside synthetic ones.
    """

    side: int
    trials: tuple[Trial, ...]
    budget: float
    labelled: bool
    images: int
    defects: int
    confirmed: int = 0

    def describe(self) -> str:
        """Describe the choice in a sentence.

        Example:
            >>> trials = (Trial(224, 7.0, 0.91), Trial(448, 28.0, 0.97))
            >>> ResolutionChoice(448, trials, 40, False, 60, 180).describe()
            '448 pixels: 180 synthetic defects stand out with an AUROC of 0.970, at 224 with 0.910; 28 ms ...'
        """
        by_side = {trial.side: trial for trial in self.trials}
        chosen, usual = by_side[self.side], by_side.get(USUAL)
        parts = []
        kind = "labelled" if self.labelled else "synthetic"
        if chosen.separation is not None:
            told = f"{self.defects:,} {kind} defects stand out with an AUROC of {chosen.separation:.3f}"
            if usual and usual is not chosen and usual.separation is not None:
                told += f", at {USUAL} with {usual.separation:.3f}"
            parts.append(told)
        if self.confirmed:
            parts.append(self._describe_confirmed(chosen))
        if chosen.milliseconds is not None:
            over = chosen.milliseconds > self.budget
            told = f"{chosen.milliseconds:.3g} ms a frame here"
            parts.append(f"{told}, {'more than' if over else 'of'} the {self.budget:g} that it may take")
        left = [
            str(trial.side)
            for trial in self.trials
            if trial.milliseconds is not None and trial.milliseconds > self.budget and trial is not chosen
        ]
        if left:
            parts.append(f"{' and '.join(left)} would take more")
        return f"{self.side} pixels: {'; '.join(parts)}" if parts else f"{self.side} pixels"

    def _describe_confirmed(self, chosen: Trial) -> str:
        """Describe what the confirmed defects say."""
        gains = {trial.side: trial.gain for trial in self.trials if trial.gain and trial.side != USUAL}
        count = f"{self.confirmed:,} confirmed defect{'' if self.confirmed == 1 else 's'}"
        if chosen.gain and chosen.side != USUAL and chosen.gain[0] > 0:
            return f"{count} gain {chosen.gain[0]:.3f} to {chosen.gain[1]:.3f} by it"
        if lost := [side for side, gain in gains.items() if gain[1] < 0]:
            verb = "stands" if self.confirmed == 1 else "stand"
            return f"{count} {verb} out less at {' and '.join(map(str, lost))}"
        return f"{count} can't tell the sizes apart"


def choose_side(trials: Sequence[Trial], budget: float, rule: ChoiceRule | None = None) -> int:
    """Choose an input size: the largest within the budget that shows about as much as the best one.

    Confirmed defects come first where they tell: a size is taken whose whole interval of their gain is above
    0 (the one with the highest lower bound), and none whose whole interval is below. Else a size that is
    larger than the usual one must gain something over it. A smaller one is taken only where the usual one
    exceeds the budget. Where all exceed it, the smallest is chosen.

    Args:
        trials: by size, ascending; with a note, they can't be chosen.
        budget: in milliseconds.
        rule: the constants; None takes the defaults.

    Raises:
        ValueError: no trial has a time.

    Example:
        >>> trials = [Trial(160, 3.5, 0.8), Trial(224, 7, 0.9), Trial(320, 14, 0.95), Trial(448, 28, 0.97)]
        >>> choose_side(trials, 40), choose_side(trials, 20), choose_side(trials, 5), choose_side(trials, 1)
        (448, 320, 160, 160)
    """
    rule = rule or ChoiceRule()
    able = [trial for trial in trials if trial.milliseconds is not None and not trial.note]
    if not able:
        raise ValueError("no resolution can be used")
    within = [t for t in able if t.milliseconds is not None and t.milliseconds <= budget]
    if not within:
        return able[0].side
    larger = [t for t in within if t.side >= USUAL and t.separation is not None]
    if not larger:
        return within[-1].side
    if proved := [t for t in larger if t.gain and t.gain[0] > 0]:
        return max(proved, key=lambda trial: trial.gain or (0, 0)).side
    larger = [t for t in larger if not t.gain or t.gain[1] >= 0]
    usual, best = larger[0], max(larger, key=lambda trial: trial.separation or 0)
    if (best.separation or 0) < (usual.separation or 0) + rule.gain:
        return usual.side
    least = max((best.separation or 0) - rule.equal, (usual.separation or 0) + rule.gain)
    return max(t.side for t in larger if (t.separation or 0) >= least)
