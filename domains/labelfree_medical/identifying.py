"""How DICOM writes what tells whose an image is: UIDs, names of people, days."""

from __future__ import annotations

from labelfree.domain import IdentifyingForm

STANDARD = r"1\.2\.840\.10008\."  # root of the standard's own UIDs, such as transfer syntaxes: sentences name them, and they tell nobody
UID = IdentifyingForm(
    rf"(?<![\w.])(?!{STANDARD})(?:[0-2](?:\.\d+){{5,}}|[0-2]\.\d+\.[\d.]{{12,}}\d)(?!\w)",
    listed=False,  # one of every slice
)
PERSON = IdentifyingForm(r"(?<![\w^])[^\W\d_][\w'-]+\^[^\W\d_][\w'^-]*", separator="^")  # FAMILY^GIVEN
DAY = IdentifyingForm(r"(?<![\w.,=-])(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\w|[.,-]\d)")  # YYYYMMDD
FORMS = (UID, PERSON, DAY)
