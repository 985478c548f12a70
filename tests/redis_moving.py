"""A slot of a Redis Cluster in the middle of its move, and the quota of a session in it."""

from holdfast.protocols import Take
from redis_servers import node_id


class HalfMoved:
    """The slot of some records, part of whose keys have moved from one node to another."""

    def __init__(self, nodes, slot):
        self.slot = slot
        self.source = next(
            n for n in nodes if n.client.execute_command("CLUSTER COUNTKEYSINSLOT", slot)
        )
        self.target = next(n for n in nodes if n is not self.source)
        self.others = [n for n in nodes if n not in {self.source, self.target}]
        ids = node_id(self.source), node_id(self.target)
        self.target.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
        self.source.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])

    def move(self, kinds):
        """Move the keys of some kinds; an empty text is all of them."""
        keys = self.source.client.execute_command("CLUSTER GETKEYSINSLOT", self.slot, 999)
        chosen = [key for key in keys if key[2] in kinds or not kinds]
        if chosen:
            self.source.client.execute_command(
                "MIGRATE", "127.0.0.1", self.target.port, "", 0, 5000, "KEYS", *chosen
            )

    def finish(self):
        self.move("")
        for node in (self.target, self.source, *self.others):
            node.client.execute_command("CLUSTER SETSLOT", self.slot, "NODE", node_id(self.target))


def quota_of(record, proof=None):
    return Take(f"s/{record.id}/5/60000", 5, 60_000, proof or record.secret_hash)
