from accounts.management.importing import ImportCommand
from accounts.tables import Columns
from training.services.importing import PERSON_COLUMNS, RECORD_COLUMNS, VALUE_COLUMNS, import_records


class Command(ImportCommand):
    help = """\
Take past training records in from a file. A row is one completion: a person, a
course and a day. It can be run again at any time: nothing is made twice.

Columns:
  employee_id   or username, or mail: who it was; needed
  course        its code; needed
  completed_on  the day, such as 2024-05-31, in the organization's time zone;
                needed
  score         0 to 100
  cert_expiry   the certificate's last day; without one, by the course's rule
  time_spent    hours
An open record that was assigned by that day is completed; otherwise a completed
one is added. A completion that is there already is corrected where the file
says otherwise; an empty cell leaves things as they are.

Rows that are wrong are refused, each with its reason; the others are taken in.
Exit status: 0 all taken in, 2 some rows refused, 1 nothing done.

A file, records.csv:
  employee_id,course,completed_on,score
  EMP-042,SAF-1,2024-05-31,87.5"""
    examples = (
        "manage.py import_records --organization acme records.csv --dry-run",
        "manage.py import_records --organization acme records.csv --report outcomes.csv",
        "manage.py import_records --organization acme --as ada@example.com - < records.csv",
    )
    columns = Columns(keys=PERSON_COLUMNS, required=RECORD_COLUMNS, others=VALUE_COLUMNS)
    take_in = import_records
