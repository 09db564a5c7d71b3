"""`[notifications]`: the endpoint to which Alipay sends what it has to tell by itself."""

from typing import Annotated

from pydantic import Field, Strict

from worker.settings.channels import ChannelName
from worker.settings.section import Count, Positive, Section

Sellers = Annotated[tuple[Annotated[str, Field(pattern=r"^[0-9]{1,32}$")], ...], Strict(strict=False)]


class NotificationSettings(Section):
    """Off by default: polling alone settles every refund, later. A channel's notifications go to /notify/<channel>."""

    enabled: bool = Field(
        False, description="true to serve it; Alipay must reach it through a proxy with TLS"
    )
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(8081, description="the port; 0 takes a free one")
    path_prefix: Annotated[str, Field(pattern=r"^(/[!-.0->@-~]+)*$")] = Field(
        "",
        description="what a proxy in front cuts off the path that Alipay asked for, and signed, such as /alipay",
        examples=["/alipay"],
    )
    body_size_max: Count = Field(65_536, description="bytes of a notification")
    requests_max: Count = Field(
        32, description="notifications at once; more are answered 503, and sent again"
    )
    time_max_s: Positive = Field(10.0, description="the limit for reading, verifying and storing one")
    sellers: dict[ChannelName, Sellers] = Field(
        default_factory=dict,
        description="per mainland channel the only seller_ids that a notification may be about; by default any",
    )
