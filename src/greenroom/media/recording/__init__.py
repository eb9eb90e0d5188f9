"""Recording: what is published goes to files, one for each track, without being decoded.

On the media loop a tap (`taps`) takes each packet as a viewer would, and puts it on a belt. A
thread of its own (`recorder`) orders them (`ordering`), gives them their place in time
(`timeline`), makes frames of them (`sound`, `pictures`) and writes those (`files`). What a process
that died left behind is finished by the next one (`remains`).
"""
