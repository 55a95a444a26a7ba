"""@NAME@: a subscriber of Repobus. What is common to all of them is in repobus.py."""

from repobus import Reject, run


async def handle(event, work):
    """May run twice for the same event, also at the same time on another machine: the outcome must be the same.

    Return: done. Raise Reject: it will never work, a dead letter. Raise anything else: tried again later.
    """
    repo = event["data"].get("repo")
    if not repo:
        raise Reject("an event without a repository")
    print(event["type"], repo, flush=True)
    await work.progress(1, 1, "seen")  # what people see of it


run("@NAME@", [@SUBJECTS@], handle)
