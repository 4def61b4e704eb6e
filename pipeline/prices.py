"""What things cost, as far as a recipe's owner says: the forecast's arithmetic needs it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Prices(BaseModel):
    """Prices of what a run uses; all zero until somebody fills them in."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    currency: str = Field("USD", pattern=r"^[A-Z]{3}$", description="ISO 4217.")
    cpu_hour: float = Field(0.0, ge=0, description="A CPU of the cluster for an hour.")
    gpu_hour: dict[str, float] = Field(
        {},
        description="A GPU for an hour, with the machine around it, by node group; '*' is for "
        "groups that are not named.",
    )
    put_1000: float = Field(0.0, ge=0, description="1000 PUT or LIST requests.")
    get_1000: float = Field(0.0, ge=0, description="1000 GET or HEAD requests.")
    gb_month: float = Field(0.0, ge=0, description="A gigabyte (1e9 bytes) stored for a month.")

    @property
    def known(self) -> bool:
        """Whether anything has a price at all."""
        return bool(self.cpu_hour or self.gpu_hour or self.put_1000 or self.gb_month)

    def gpu(self, group: str | None) -> float:
        """A GPU of a node group for an hour."""
        return self.gpu_hour.get(group or "*", self.gpu_hour.get("*", 0.0))
