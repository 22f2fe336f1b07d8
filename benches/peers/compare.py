"""Attacked margins of vaegis and of its peers, side by side.

    python compare.py AUDIT... --model MODEL --data mnist

Runs the peers on the points and radii of each audit, judges all perturbations by the same fresh noise, and prints what
the README explains. What peers found is kept in a file beside the audits.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import lipschitz_vae
import reference
from audits import Audit, Cache, Found, read_audit
from ball import Ball
from models import Vae, load_data
from verdicts import Judge, Verdict

# Seeds of the judge's noise: no peer's seed, which is the index of the point.
JUDGE_SEED = 1 << 40


@dataclass(frozen=True)
class Peer:
    name: str
    # Everything that decides how it attacks.
    settings: object
    # What it finds at some radii, and what it reports.
    attack: Callable[[Vae, Ball, torch.Generator, list[float]], list[tuple[torch.Tensor | None, float]]]


def attack_by_reference(vae: Vae, ball: Ball, generator: torch.Generator, radii: list[float]):
    found = reference.Attack(vae, ball, reference.Effort(), generator).run(radii)
    norms = [float("inf") if x is None else float((x.double() - ball.x.double()).norm()) for x in found]
    return list(zip(found, norms))


def attack_by_lipschitz_vae(vae: Vae, ball: Ball, generator: torch.Generator, radii: list[float]):
    attack = lipschitz_vae.Attack(vae, ball, lipschitz_vae.Procedure(), generator)
    outcomes = [attack.run(r) for r in radii]
    return [(outcome.perturbed, outcome.margin) for outcome in outcomes]


REFERENCE = Peer("reference", reference.Effort(), attack_by_reference)
LIPSCHITZ_VAE = Peer("lipschitz-vae", lipschitz_vae.Procedure(), attack_by_lipschitz_vae)


@dataclass(frozen=True)
class Line:
    """One party at one point and radius."""

    party: str
    index: int
    radius: str
    # Infinite norms where nothing was found.
    verdict: Verdict
    reported: float
    seconds: float
    wall_seconds: float


class Comparison:
    def __init__(self, audit: Audit, vae: Vae, data: np.ndarray, cache: Cache, draws: int):
        self.audit, self.vae, self.data, self.cache, self.draws = audit, vae, data, cache, draws
        self.lines: list[Line] = []

    def problems(self) -> list[str]:
        """What shows that the audit is of another model or other data: above all, another share within r of the first
        input itself."""
        rows, features = self.data.shape
        name, index, last = self.audit.name, min(self.audit.points), max(self.audit.points)
        if features != self.vae.features or last >= rows:
            return [f"{name} has point {last}, the model {self.vae.features} features; the data is {rows} x {features}"]
        judge, problems = self.judge(index), []
        for row in self.audit.points[index]:
            found = judge.share_within(judge.ball.x, row["r"])
            # Six standard errors: the audit's and ours.
            if abs(found - row["p"]) > 6 * (0.25 / row["draws"] + 0.25 / self.draws) ** 0.5:
                problems.append(
                    f"{name}: {found:.3f} of the draws of point {index} lie within {row['r']:.4g}, the audit says "
                    f"{row['p']:.3f}: not the same model or data"
                )
        return problems

    def judge(self, index: int) -> Judge:
        return Judge(self.vae, self.ball(index), self.draws, JUDGE_SEED + index)

    def ball(self, index: int) -> Ball:
        return Ball(torch.from_numpy(self.data[index]), self.audit.box)

    def add_vaegis(self, index: int):
        judge = self.judge(index)
        for row in self.audit.points[index]:
            perturbation = self.audit.perturbations.get((index, row["radius"]))
            # No perturbation: none was needed, or none was found.
            perturbed = judge.ball.x if row["attacked"] == 0 else None
            if perturbation is not None:
                perturbed = judge.ball.x + perturbation
            self.add("vaegis", judge, row, Found(perturbed, row["attacked"], row["seconds"], row["seconds"]))

    def add_peer(self, peer: Peer, index: int, radii: set[str]):
        rows = [row for row in self.audit.points[index] if row["radius"] in radii]
        keys = [self.cache.key(peer.name, peer.settings, index, self.audit.box, row["r"]) for row in rows]
        if not all(self.cache.get(key) for key in keys):
            generator = torch.Generator().manual_seed(index)
            cpu, wall = time.process_time(), time.perf_counter()
            found = peer.attack(self.vae, self.ball(index), generator, [row["r"] for row in rows])
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            print(f"{self.audit.name}: {peer.name}, point {index}, {cpu:.1f} s", file=sys.stderr)
            self.cache.put({key: Found(*result, cpu, wall) for key, result in zip(keys, found)})
        judge = self.judge(index)
        for row, key in zip(rows, keys):
            self.add(peer.name, judge, row, self.cache.get(key))

    def add(self, party: str, judge: Judge, row: dict, found: Found):
        verdict = Verdict(norm=np.inf, p=np.nan, levelled=np.inf, outside=0.0)
        if found.perturbed is not None:
            verdict = judge(found.perturbed, row["r"])
        line = Line(
            party, row["index"], row["radius"], verdict, found.reported, found.cpu_seconds, found.wall_seconds
        )
        self.lines.append(line)

    def report(self, peers: list[Peer]) -> str:
        parts = [f"{self.audit.name}, box {self.audit.box or 'none'}"]
        if self.audit.failed:
            parts.append(f"{self.audit.failed} points failed in the audit and are left out")
        if self.audit.threads != 1:
            parts.append(f"the audit ran with {self.audit.threads} threads: its seconds are not comparable")
        for peer in peers:
            radii = dict.fromkeys(line.radius for line in self.lines if line.party == peer.name)
            parts += [self.table(peer.name, radius) for radius in radii]
            parts += [self.timing(peer.name)]
        return "\n".join(parts)

    def pairs(self, peer: str, radius: str | None = None) -> list[tuple[Line, Line]]:
        ours = {(line.index, line.radius): line for line in self.lines if line.party == "vaegis"}
        theirs = [line for line in self.lines if line.party == peer and radius in (None, line.radius)]
        return [(ours[line.index, line.radius], line) for line in theirs]

    def table(self, peer: str, radius: str) -> str:
        pairs = self.pairs(peer, radius)
        text = [f"\nr = {radius}, vaegis and {peer}, {len(pairs)} points"]
        text.append(f"  {'':34} {'vaegis':>10} {peer:>14}")

        def row(name: str, value: Callable[[list[Line]], float]):
            ours, theirs = (value(list(lines)) for lines in zip(*pairs))
            text.append(f"  {name:34} {ours:10.4f} {theirs:14.4f}")

        row("attacked margin, median", lambda lines: quantile([line.verdict.norm for line in lines], 0.5))
        row("attacked margin, 90th percentile", lambda lines: quantile([line.verdict.norm for line in lines], 0.9))
        row("share within r, median", lambda lines: quantile([line.verdict.p for line in lines], 0.5))
        row("share within r, largest", lambda lines: quantile([line.verdict.p for line in lines], 1.0))
        row("levelled margin, median", lambda lines: quantile([line.verdict.levelled for line in lines], 0.5))
        row("levelled margin, 90th percentile", lambda lines: quantile([line.verdict.levelled for line in lines], 0.9))
        row("margin as reported, median", lambda lines: quantile([line.reported for line in lines], 0.5))
        row("outside the box by up to", lambda lines: max(line.verdict.outside for line in lines))
        for name, of in (("margin", lambda v: v.norm), ("levelled margin", lambda v: v.levelled)):
            # Where neither or only one found anything, the ratio is 1, 0 or infinite.
            ratios = [ratio(of(ours.verdict), of(theirs.verdict)) for ours, theirs in pairs]
            quantiles = ", ".join(f"{quantile(ratios, level):.3f}" for level in (0.1, 0.5, 0.9, 1.0))
            share = np.mean([value <= 1 for value in ratios])
            text.append(f"  {name}, vaegis / {peer}: 10, 50, 90, 100% at {quantiles}; at most 1 at {share:.0%}")
        return "\n".join(text)

    def timing(self, peer: str) -> str:
        pairs = {ours.index: (ours, theirs) for ours, theirs in self.pairs(peer)}.values()
        radii = len({line.radius for line in self.lines if line.party == peer})
        ours = np.mean([ours.seconds for ours, _ in pairs])
        # Of a point, in every row of it.
        attacks = np.mean([self.audit.points[ours.index][0]["seconds_attacked"] for ours, _ in pairs])
        theirs, wall = (np.mean([getattr(t, name) for _, t in pairs]) for name in ("seconds", "wall_seconds"))
        return (
            f"\nseconds per point: vaegis {ours:.2f} (all radii of the audit and all its estimates), its attacks alone "
            f"{attacks:.2f}, {peer} {theirs:.2f} of CPU, {wall:.2f} by the clock ({radii} radii): "
            f"{peer} takes {theirs / ours:.1f} times as long as all, {theirs / attacks:.1f} as the attacks"
        )


def quantile(values: list[float], level: float) -> float:
    # Interpolation between infinities would be NaN.
    return float(np.quantile(values, level, method="inverted_cdf"))


def ratio(ours: float, theirs: float) -> float:
    return 1.0 if ours == theirs else float(np.divide(ours, theirs))


def load(arguments: argparse.Namespace) -> list[Comparison]:
    """One comparison for each audit; all of what does not fit is told before work starts."""
    vae, data = Vae(arguments.model), load_data(arguments.data)
    cache = Cache(arguments.cache or arguments.audits[0].resolve().parent / "peers.parquet", arguments.model)
    comparisons = [
        Comparison(read_audit(folder), vae, data, cache, arguments.draws) for folder in arguments.audits
    ]
    problems = [problem for comparison in comparisons for problem in comparison.problems()]
    radius = arguments.lipschitz_vae_radius
    for audit in (comparison.audit for comparison in comparisons):
        if radius not in (None, *audit.radii()):
            problems.append(f"{audit.name} has no radius {radius}, only {', '.join(audit.radii())}")
    if problems:
        raise ValueError("; ".join(problems))
    return comparisons


def count(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"found {text!r}, expected a number of at least 1")
    return int(text)


def main() -> int:
    parser = argparse.ArgumentParser(description="Compares attacked margins of vaegis with those of its peers")
    parser.add_argument("audits", type=Path, nargs="+", help="folders that vaegis audit wrote, of the same model")
    parser.add_argument("--model", type=Path, required=True, help="folder that vaegis train wrote")
    parser.add_argument("--data", required=True, help="mnist, fashion-mnist or an npy file")
    parser.add_argument("--points", type=count, help="the first so many points of each audit [default: all]")
    parser.add_argument("--lipschitz-vae-points", type=count, default=0, help="points for that procedure [default: 0]")
    parser.add_argument("--lipschitz-vae-radius", help="its radius, as asked for in the audit [default: the last]")
    parser.add_argument("--draws", type=count, default=50_000, help="fresh draws that judge [default: 50000]")
    parser.add_argument("--cache", type=Path, help="what peers found [default: peers.parquet beside the first audit]")
    arguments = parser.parse_args()

    torch.set_num_threads(1)
    try:
        comparisons = load(arguments)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    for comparison in comparisons:
        indices = sorted(comparison.audit.points)[: arguments.points]
        radii = comparison.audit.radii()
        for index in indices:
            comparison.add_vaegis(index)
            comparison.add_peer(REFERENCE, index, set(radii))
        for index in indices[: arguments.lipschitz_vae_points]:
            comparison.add_peer(LIPSCHITZ_VAE, index, {arguments.lipschitz_vae_radius or radii[-1]})
        peers = [REFERENCE] + ([LIPSCHITZ_VAE] if arguments.lipschitz_vae_points else [])
        print(comparison.report(peers), end="\n\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
