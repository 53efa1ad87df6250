"""Grading a class: `make grade SUBMISSIONS=folder`, and the same for Gradescope and GitHub.

A student's code runs in a sandbox, and only computes: it gets inputs and returns outputs. What is right is known and
decided outside, by the checks of helpers/checks, unchanged. docs/grading.md explains it to instructors.

    submissions   notebooks, zips and folders, read safely
    cells         the exercise cells, and what they need of the cells before them
    originality   whether it is the kit's own text, or that of another student
    library       the course's library without what is asked for
    inside/       what runs in the sandbox, beside the student's code
    sandbox       bubblewrap, a container, or limits alone
    networks      a student's network, as the grader sees it
    connection    calls into the student's process, and its calls back
    cs180         solutions with the signatures of CS180's project 5
    marks         the marks of one submission
    pool          several submissions at a time
    reports       marks.csv, JUnit, Gradescope's results.json, a page for each student
    autograder    build/autograder.zip for Gradescope
"""
