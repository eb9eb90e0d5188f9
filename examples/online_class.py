"""An online class: pupils listen, raise a hand, speak when let, and are quiet again."""

from greenroom import Greenroom, Member, errors

with Greenroom.open("sqlite:///calls.db") as room:
    room.users.upsert("dr-alice", role="user", teams=["school-7"])
    for pupil in ("charlie", "jaewoong"):
        room.users.upsert(pupil, teams=["school-7"])

    # In an audio room nobody speaks but those who are let.
    room.call_types.create(
        "class", based_on="audio_room", settings={"backstage": {"enabled": False}}
    )
    teacher = room.as_user("dr-alice").call("class", "biology-7b")
    teacher.create(members=[Member("charlie"), Member("jaewoong")], team="school-7")
    teacher.join()

    charlie = room.as_user("charlie").call("class", "biology-7b")
    charlie.join()
    print(f"charlie may speak: {'send-audio' in charlie.get().own_capabilities}")

    charlie.request_permissions(["send-audio"])
    hands = [event.by for event in teacher.history() if event.name == "member.permission_requested"]
    print(f"raised hands: {hands}")

    teacher.grant_permissions("charlie", ["send-audio"])
    print(f"charlie may speak: {'send-audio' in charlie.get().own_capabilities}")

    teacher.mute(["charlie"], audio=True)  # once: charlie may unmute
    teacher.revoke_permissions("charlie", ["send-audio"])  # for good
    print(f"charlie may speak: {'send-audio' in charlie.get().own_capabilities}")

    # Another school is not let in, whatever it knows of the class.
    stranger = room.as_user("tommaso", teams=["school-8"]).call("class", "biology-7b")
    try:
        stranger.join()
    except errors.WrongTeam as refusal:
        print(f"tommaso: {refusal.code}")
