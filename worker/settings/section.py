"""What every table of the settings is made of."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, Strict

# Strict mode would want a Path object, which TOML does not have.
File = Annotated[Path, Strict(strict=False)]
Files = Annotated[tuple[File, ...], Strict(strict=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A table of the file: fixed once read, no unknown names, no silent conversions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
