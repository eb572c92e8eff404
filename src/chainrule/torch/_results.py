"""Named results that print as PyTorch's: `torch.return_types.max(values=..., indices=...)`."""

from __future__ import annotations

import collections
from typing import Any


def result(name: str, *fields: str) -> Any:
    """A class of named tuples that prints one field to a line."""
    make: Any = collections.namedtuple
    base = make(name, fields)

    def show(self: Any) -> str:
        lines = ",\n".join(f"{f}={v!r}" for f, v in zip(fields, self, strict=True))
        return f"torch.return_types.{name}(\n{lines})"

    return type(name, (base,), {"__slots__": (), "__repr__": show})


aminmax = result("aminmax", "min", "max")
cummax = result("cummax", "values", "indices")
cummin = result("cummin", "values", "indices")
kthvalue = result("kthvalue", "values", "indices")
max = result("max", "values", "indices")
median = result("median", "values", "indices")
min = result("min", "values", "indices")
mode = result("mode", "values", "indices")
nanmedian = result("nanmedian", "values", "indices")
sort = result("sort", "values", "indices")
topk = result("topk", "values", "indices")

linalg_eig = result("linalg_eig", "eigenvalues", "eigenvectors")
linalg_eigh = result("linalg_eigh", "eigenvalues", "eigenvectors")
linalg_inv_ex = result("linalg_inv_ex", "inverse", "info")
linalg_cholesky_ex = result("linalg_cholesky_ex", "L", "info")
linalg_lstsq = result("linalg_lstsq", "solution", "residuals", "rank", "singular_values")
linalg_lu = result("linalg_lu", "P", "L", "U")
linalg_lu_factor = result("linalg_lu_factor", "LU", "pivots")
linalg_qr = result("linalg_qr", "Q", "R")
linalg_slogdet = result("linalg_slogdet", "sign", "logabsdet")
linalg_svd = result("linalg_svd", "U", "S", "Vh")
qr = result("qr", "Q", "R")
slogdet = result("slogdet", "sign", "logabsdet")
svd = result("svd", "U", "S", "V")
