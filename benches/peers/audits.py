"""What `vaegis audit` stored, and what peers found at the same points."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file
from torch import Tensor


@dataclass(frozen=True)
class Audit:
    """An audit folder: rows of `points.parquet` by point, and perturbations `[features]` by point and radius."""

    name: str
    box: tuple[float, float] | None
    threads: int
    points: dict[int, list[dict]]
    failed: int
    perturbations: dict[tuple[int, str], Tensor]

    def radii(self) -> list[str]:
        """Radii as they were asked for."""
        return list(dict.fromkeys(row["radius"] for rows in self.points.values() for row in rows))


def read_audit(folder: Path) -> Audit:
    settings = tomllib.loads((folder / "audit.toml").read_text())
    if settings["config"]["norm"] != "l2":
        raise ValueError(f"{folder} is of norm {settings['config']['norm']}, expected l2")
    rows = pq.read_table(folder / "points.parquet").to_pylist()
    points: dict[int, list[dict]] = {}
    for row in rows:
        if row["attacked"] is not None:
            points.setdefault(row["index"], []).append(row)
    if not points:
        raise ValueError(f"{folder} has no attacked margins")
    perturbations = {}
    for part in sorted((folder / "perturbations").glob("*.safetensors")):
        for name, perturbation in load_file(part).items():
            index, radius = name.split("/", 1)
            perturbations[int(index), radius] = perturbation.flatten()
    box = settings["config"]["box"]
    return Audit(
        name=folder.name,
        box=None if box == "none" else tuple(float(end) for end in box.split(",")),
        threads=settings["info"]["threads"],
        points=points,
        failed=len({row["index"] for row in rows} - set(points)),
        perturbations=perturbations,
    )


@dataclass(frozen=True)
class Found:
    """What a peer found at one point and radius."""

    # `[features]`; nothing if no perturbation was found.
    perturbed: Tensor | None
    # What the peer itself calls the margin.
    reported: float
    # Of the process, and of the clock, for all radii of the point that were attacked together.
    cpu_seconds: float
    wall_seconds: float


class Cache:
    """Results of peers in a Parquet file. A result is known by everything it depends on: the peer and its settings, the
    model's weights, the input, the box and r (to six digits, below which builds of vaegis may differ)."""

    SCHEMA = pa.schema(
        [
            ("peer", pa.string()),
            ("settings", pa.string()),
            ("weights", pa.string()),
            ("index", pa.int64()),
            ("box", pa.string()),
            ("r", pa.string()),
            ("perturbed", pa.list_(pa.float32())),
            ("reported", pa.float64()),
            ("cpu_seconds", pa.float64()),
            ("wall_seconds", pa.float64()),
        ]
    )
    KEY = SCHEMA.names[:6]

    def __init__(self, path: Path, model: Path):
        self.path = path
        self.weights = hashlib.sha256((model / "weights.safetensors").read_bytes()).hexdigest()[:16]
        rows = pq.read_table(path, schema=self.SCHEMA).to_pylist() if path.exists() else []
        self.rows = {tuple(row[name] for name in self.KEY): row for row in rows}

    def key(self, peer: str, settings: object, index: int, box: object, r: float) -> tuple:
        return peer, repr(settings), self.weights, index, str(box), f"{r:.6g}"

    def get(self, key: tuple) -> Found | None:
        row = self.rows.get(key)
        if row is None:
            return None
        perturbed = row["perturbed"]
        return Found(
            perturbed=None if perturbed is None else torch.from_numpy(np.array(perturbed, np.float32)),
            reported=row["reported"],
            cpu_seconds=row["cpu_seconds"],
            wall_seconds=row["wall_seconds"],
        )

    def put(self, results: dict[tuple, Found]):
        for key, found in results.items():
            perturbed = None if found.perturbed is None else found.perturbed.tolist()
            self.rows[key] = dict(zip(self.KEY, key)) | vars(found) | {"perturbed": perturbed}
        temporary = self.path.with_suffix(".new")
        pq.write_table(pa.Table.from_pylist(list(self.rows.values()), schema=self.SCHEMA), temporary)
        temporary.replace(self.path)
