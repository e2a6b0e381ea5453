#!/usr/bin/env python3
"""Acts on each alert once, and knows which episodes stand. See README.md one folder up."""

import argparse
import json
import pathlib
import signal
import sys

from confluent_kafka import Consumer, KafkaError, KafkaException

COMMIT_EVERY = 100

# What a state makes of its episode; `confirmed`, and what a later version adds, leave it as it is.
STANDS = {
    "opened": "open",
    "escalated": "open",
    "eased": "open",
    "corrected": "open",
    "resolved": "closed",
    "retracted": "closed",
}


class Journal:
    """The newest transition of each episode that was acted on: a file that is only ever added to."""

    def __init__(self, path):
        path.touch()
        text = path.read_bytes()
        # A line without its end was being written in a crash: it was not acted on.
        whole = text[: text.rfind(b"\n") + 1]
        self.file = path.open("r+b", buffering=0)
        self.file.truncate(len(whole))
        self.file.seek(0, 2)
        lines = whole.decode().splitlines()
        self.episodes = {fields[1]: fields for fields in (line.split("\t") for line in lines)}

    def knows(self, data):
        known = self.episodes.get(data["episode"])
        return known is not None and data["transition"] <= int(known[2])

    def note(self, data):
        known = self.episodes.get(data["episode"], ["open"])
        stands = STANDS.get(data["state"], known[0])
        rest = [data["state"], data["severity"], data["as_of"]]
        fields = [stands, data["episode"], str(data["transition"]), *rest]
        self.file.write(("\t".join(fields) + "\n").encode())
        self.episodes[data["episode"]] = fields


def act(event):
    """Yours to replace. `event["id"]` is the key to give to what can tell repeats apart."""
    print("act", event["id"], event["data"]["headline"], sep="\t", flush=True)


def take(message, journal):
    event = json.loads(message.value())
    if not journal.knows(event["data"]):
        # The other way around: never lost, perhaps repeated. See README.md.
        journal.note(event["data"])
        act(event)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brokers", default="localhost:9092")
    parser.add_argument("--topic", default="rotation.alerts")
    parser.add_argument("--group", default="my-alerts")
    parser.add_argument("--journal", default="alerts.journal", type=pathlib.Path)
    parser.add_argument("--until-end", action="store_true")
    parser.add_argument("-X", metavar="KEY=VALUE", dest="properties", action="append", default=[])
    return parser.parse_args()


def commit(consumer):
    try:
        consumer.commit(asynchronous=False)
    except KafkaException as error:
        # What was taken is of partitions that another member has by now; it reads them again, and the journal holds.
        if error.args[0].code() != KafkaError._NO_OFFSET:
            raise


def main():
    args = arguments()
    stopped = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.append(True))
    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": args.group,
            "isolation.level": "read_committed",
            "enable.auto.commit": False,  # after the fact, below
            "auto.offset.reset": "earliest",
            "enable.partition.eof": True,
        }
        | dict(pair.split("=", 1) for pair in args.properties)
    )
    journal, taken, ends = Journal(args.journal), 0, set()
    consumer.subscribe([args.topic])
    while not stopped:
        message = consumer.poll(0.2)
        if message is None:
            continue
        if message.error() is None:
            take(message, journal)
            taken += 1
            if taken == COMMIT_EVERY:
                consumer.commit(asynchronous=True)
                taken = 0
        elif message.error().code() == KafkaError._PARTITION_EOF:
            ends.add(message.partition())
            if args.until_end and ends >= {part.partition for part in consumer.assignment()}:
                break
        elif message.error().fatal():
            raise KafkaException(message.error())
        else:
            print(message.error(), file=sys.stderr)  # the client gets over it
    if taken:
        commit(consumer)
    consumer.close()
    for fields in sorted(journal.episodes.values(), key=lambda fields: fields[1]):
        print("\t".join(fields))


if __name__ == "__main__":
    sys.exit(main())
