"""A live monitor's Kafka: the feed put together with the service, the API and the settings.

Rules of this file
    - Topics are made and checked before anything starts; a broker that cannot be reached then is an `InputError`.
    - What agents answer comes in on Kafka's threads and is handed to the event loop, whose the desk is.

Source: design section 6; issue "live agent" (transports).
"""

from __future__ import annotations

from pathlib import Path
from socket import gethostname
from typing import Final

from grammar import InputError
from grammar.control import Question, Reply
from grammar.signing import Signer
from grammar.topics import Layout
from monitor.agents_api import AgentsApi
from monitor.config import Kafka
from monitor.kafka_client import AwayError, Cluster
from monitor.kafka_feed import KafkaFeed
from monitor.kafka_publish import Pace
from monitor.kafka_service import ServiceCore, connect
from monitor.kafka_topics import prepare
from monitor.service import Service

PUBLISHING: Final = 10.0


class Brokers:
    """The feed of one monitor; `owns` says whether an application is this monitor's to judge."""

    def __init__(self, config: Kafka, folder: Path, signer: Signer, service: Service, agents: AgentsApi) -> None:
        layout = Layout(config.prefix, config.partitions, config.replication, config.min_insync, int(config.keep))
        name = config.name or gethostname()
        cluster = Cluster(config.servers, layout, name, config.client, int(config.timeout))
        try:
            prepare(cluster)
        except AwayError as error:
            hint = "do the brokers run, and are these their addresses?"
            raise InputError(f"no broker answers: {error}", offending=", ".join(config.servers), hint=hint) from None

        def replied(worker: str, reply: Reply) -> None:
            agents.soon(lambda: agents.answered(worker, reply))

        core = ServiceCore(service, replied)
        self.feed = KafkaFeed(cluster, signer, core, folder, Pace(config.models / 1000, config.counts / 1000))
        self.owns = self.feed.owns
        connect(service, self.feed)

    def start(self) -> None:
        """Once the service runs."""
        self.feed.start()

    def stop(self) -> None:
        """Before the service stops: what has changed is published."""
        self.feed.stop(PUBLISHING)

    def ask(self, question: Question, until: int) -> None:
        """Put a question to all agents; `until` is milliseconds since 1970."""
        self.feed.ask(question, until)

    def close(self, question: Question) -> None:
        """Nobody waits any longer."""
        self.feed.close(question)

    @property
    def trouble(self) -> str:
        """Why it does not take envelopes, if it does not."""
        return "" if self.feed.ready else self.feed.trouble or "partitions are being taken over"
