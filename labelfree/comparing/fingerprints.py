"""What a run answered, in one short name: a copy under another name, or with hidden names, has the same."""

from __future__ import annotations

import hashlib

import pyarrow as pa

from labelfree.transfer.claims.scores import Scores


def fingerprint(scores: Scores) -> str:
    """Of all answers in the order of their cells. Names of rows, groups, data sets and runs are not in it."""
    digest = hashlib.sha256()
    for point in sorted(scores.cells):
        for key, cell in sorted(scores.cells[point].items(), key=lambda item: item[0]):
            digest.update(repr((point, key)).encode())
            sink = pa.BufferOutputStream()
            answers = cell.answers.combine_chunks()
            with pa.ipc.new_stream(sink, answers.schema.remove_metadata()) as stream:
                stream.write_table(answers.cast(answers.schema.remove_metadata()))
            digest.update(sink.getvalue())
    return digest.hexdigest()
