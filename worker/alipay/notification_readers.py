"""Which notifications a channel's interface has."""

from worker.alipay.ams.interface import AmsInterface
from worker.alipay.ams.notification import AmsNotifications
from worker.alipay.channel import Channel
from worker.alipay.mainland.notification import MainlandNotifications
from worker.alipay.mainland.v2 import MainlandV2
from worker.alipay.mainland.v3 import MainlandV3
from worker.alipay.notification import NotificationReader


def notification_reader(channel: Channel, sellers: frozenset[str] = frozenset()) -> NotificationReader:
    """Reads the notifications of the channel's account with its keys. `sellers`: of a mainland channel; empty: any."""
    interface = channel.interface
    account, verifier = interface.account, interface.keys.verifier
    if isinstance(interface, AmsInterface):
        return AmsNotifications(channel.name, account, verifier)
    certificates = interface.certificates if isinstance(interface, MainlandV2 | MainlandV3) else None
    return MainlandNotifications(channel.name, account, verifier, certificates, sellers)
