"""The bare loops that evalkit is compared with: the same work without an evaluation tool around it."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path


def loop(samples: str, out: str) -> None:
    """Read samples, call the function, compare, dump one record per answer."""
    from answers import answer  # the candidate's own file, in the working folder

    with Path(samples).open(encoding="utf-8") as lines, Path(out).open("w", encoding="utf-8") as records:
        for line in lines:
            sample = json.loads(line)
            output = answer(sample["input"]["text"])
            record = {"id": sample["id"], "output": output, "score": float(output == sample["target"])}
            records.write(json.dumps(record) + "\n")


def http(url: str, samples: str, concurrency: str) -> None:
    """Post one chat completion per sample with aiohttp on uvloop and read the answer; nothing is kept."""
    import uvloop

    uvloop.run(_post_all(f"{url}/v1/chat/completions", samples, int(concurrency)))


async def _post_all(address: str, samples: str, concurrency: int) -> None:
    import aiohttp
    import msgspec

    headers = {"content-type": "application/json"}
    with Path(samples).open("rb") as lines:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=concurrency)) as session:

            async def worker() -> None:
                for line in lines:
                    text = msgspec.json.decode(line)["input"]["text"]
                    body = {"model": "mock-perfect", "messages": [{"role": "user", "content": text}]}
                    async with session.post(address, data=msgspec.json.encode(body), headers=headers) as reply:
                        msgspec.json.decode(await reply.read())["choices"][0]["message"]["content"]

            await asyncio.gather(*(worker() for _ in range(concurrency)))


if __name__ == "__main__":
    sys.path.insert(0, "")
    {"loop": loop, "http": http}[sys.argv[1]](*sys.argv[2:])
