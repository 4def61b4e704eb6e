"""The nodes of the cluster that Ray is connected to, as plain data."""

from __future__ import annotations

import ray

from pipeline.engine.nodes import NODE_GROUP_LABEL, Node


def cluster_nodes() -> list[Node]:
    """The nodes of the connected cluster that take work."""
    nodes = []
    for node in ray.nodes():  # type: ignore[no-untyped-call]
        resources = node["Resources"]
        if node["Alive"] and resources.get("CPU", 0):
            nodes.append(
                Node(
                    node_id=node["NodeID"],
                    address=node["NodeManagerAddress"],
                    group=node["Labels"].get(NODE_GROUP_LABEL),
                    cpus=resources["CPU"],
                    gpus=resources.get("GPU", 0.0),
                    memory_bytes=resources.get("memory", 0.0),
                )
            )
    return nodes
