"""FFmpeg's own WHIP client, as a program: sends a sign until it is told to stop.

`python ffmpeg_whip.py URL TICKET SIGN DIRECTORY`; it ends by itself when its standard input does.
A program of its own, because writing to the muxer holds the interpreter up.
"""

from __future__ import annotations

import select
import sys
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import cast, get_args

import av
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from greenroom.testing.peer import FRAMES_PER_SECOND, HEIGHT, SAMPLES, WIDTH, Colour, Tone
from greenroom.testing.signs import Sign


def main(url: str, ticket: str, sign: str, directory: Path) -> None:
    """Publish."""
    assert sign in get_args(Sign)
    options = {"authorization": ticket, **certificate(directory)}
    with av.open(url, "w", format="whip", options=options) as output:
        sound = output.add_stream("libopus", rate=48_000, layout="stereo")
        picture = output.add_stream(
            "libx264",
            rate=FRAMES_PER_SECOND,
            options={"preset": "ultrafast", "tune": "zerolatency", "bf": "0", "g": "15"},
        )
        picture.width, picture.height, picture.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        picture.codec_context.profile = "Baseline"
        tone, colour = Tone(cast("Sign", sign)), Colour(cast("Sign", sign))
        shown = 0
        for number in range(3_000):  # a minute
            frame = tone.make(number)
            frame.pts, frame.time_base = number * SAMPLES, Fraction(1, 48_000)
            output.mux(sound.encode(frame))
            while shown * 50 <= number * FRAMES_PER_SECOND:
                image = colour.make(shown)
                image.pts, image.time_base = shown, Fraction(1, FRAMES_PER_SECOND)
                output.mux(picture.encode(image))
                shown += 1
            if select.select([sys.stdin], [], [], 0.02)[0]:
                return


def certificate(directory: Path) -> dict[str, str]:
    """A certificate of one's own, which the muxer does not make by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "whip")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    plain = serialization.PrivateFormat.TraditionalOpenSSL
    written = {
        "cert_file": made.public_bytes(pem),
        "key_file": key.private_bytes(pem, plain, serialization.NoEncryption()),
    }
    for option, content in written.items():
        (directory / option).write_bytes(content)
    return {option: str(directory / option) for option in written}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
