"""What a shorter message saves on LoRa, and what making it costs: energy per message.

    python3 airtime.py TEXT MESSAGE INSTRUCTIONS

TEXT and MESSAGE: bytes of a line as it is and as a message; INSTRUCTIONS: those that encode it (the table of README.md).
Airtime by Semtech's formula (SX1276 datasheet, 4.1.1.7): 125 kHz, coding rate 4/5, explicit header, CRC, a preamble of
8 symbols, low data rate optimisation from SF11 on, 13 bytes of LoRaWAN around the payload. Energy by data sheets, at
3.3 V: the radio takes 29 mA at +13 dBm (SX1276), the core 100 uA/MHz (STM32L476) at 1.5 cycles an instruction.
"""

import math
import sys

VOLTS, RADIO_AMPERES, CORE_AMPERES_A_HERTZ, CYCLES = 3.3, 29e-3, 100e-12, 1.5
FRAME = 13


def airtime(payload, factor):
    """Seconds that a frame with so many bytes of payload takes at a spreading factor."""
    symbol = 2**factor / 125e3
    slow = factor >= 11
    bits = 8 * (payload + FRAME) - 4 * factor + 28 + 16
    return (8 + 4.25 + 8 + 5 * max(math.ceil(bits / (4 * (factor - 2 * slow))), 0)) * symbol


def main():
    text, message, instructions = (int(argument) for argument in sys.argv[1:])
    cost = instructions * CYCLES * CORE_AMPERES_A_HERTZ * VOLTS
    print(f"encoding: {1e3 * cost:.1f} mJ\n")
    print("| spreading factor | airtime as it is | as a message | saved |\n|---|---|---|---|")
    for factor in (7, 9, 10, 12):
        plain, coded = airtime(text, factor), airtime(message, factor)
        saved = (plain - coded) * RADIO_AMPERES * VOLTS
        print(f"| SF{factor} | {1e3 * plain:.0f} ms | {1e3 * coded:.0f} ms | {1e3 * saved:.1f} mJ |")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main()
