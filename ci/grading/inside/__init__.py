"""The part of the grader that runs inside the sandbox, beside the students' code. Nothing in it knows a right result:
codec (messages), walls (limits), library (the course's), generators, standins (for the grader's networks, functions),
describe (a student's object, for the grader), cs180 (other signatures), server, and zygote, which starts it all.
"""
