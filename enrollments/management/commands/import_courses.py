from accounts.management.importing import ImportCommand
from accounts.tables import strict
from enrollments.services.importing import COLUMNS, import_courses


class Command(ImportCommand):
    help = """\
Take courses in from a file: those that are new are created, the others updated
by their code. It can be run again at any time: nothing is made twice. Every
change is a new revision of the course.

Columns:
  code                  tells courses apart; needed
  title, category       needed for new courses; a category by its slug or name
  delivery_mode         in_person, online, hybrid or self_paced
  duration_hours, cost_per_participant
                        numbers with a decimal point
  provider              internal or external
  provider_name, description
  prerequisites         codes separated by ;  The course then requires these and
                        no others; each is there or in an earlier line.
  pass_score            0 to 100; empty: attending is passing
  certificate_months    1 to 1200; empty: valid for ever
  uses_units            true or false, yes or no, 1 or 0
  status                published, archived or deleted
A column that the file has not stays as it is. An empty cell clears its value;
delivery_mode, duration_hours, cost_per_participant, provider, uses_units and
status stay as they are.

Rows that are wrong are refused, each with its reason; the others are taken in.
Exit status: 0 all taken in, 2 some rows refused, 1 nothing done.

A file, courses.csv:
  code,title,category,duration_hours,pass_score,prerequisites
  SAF-1,Site safety,safety,4,80,
  SAF-2,Working at height,safety,7.5,80,SAF-1"""
    examples = (
        "manage.py import_courses --organization acme courses.csv --dry-run",
        "manage.py import_courses --organization acme courses.csv --report outcomes.csv",
        "manage.py import_courses --organization acme --as ada@example.com - < courses.csv",
    )
    columns = strict(COLUMNS)
    take_in = import_courses
