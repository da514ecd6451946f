from accounts.management.importing import ImportCommand
from accounts.services.importing_people import COLUMNS, import_people
from accounts.tables import strict


class Command(ImportCommand):
    help = """\
Take people in from a file: those who are new are created, the others updated by
their employee number. It can be run again at any time: nobody is made twice.

Columns:
  employee_id  tells people apart; needed
  first_name   needed for new people
  last_name, mail, username
  kind         driver or user
  active       true or false, yes or no, 1 or 0. Of somebody who becomes inactive
               the open train sessions are unassigned, which can be undone.
  groups       names separated by ;  The person is then in these and no others;
               one that is not there yet is made.
A column that the file has not stays as it is. An empty cell clears its value;
kind and active stay as they are.

Rows that are wrong are refused, each with its reason; the others are taken in.
Exit status: 0 all taken in, 2 some rows refused, 1 nothing done.

A file, people.csv:
  employee_id,first_name,last_name,mail,kind,groups
  EMP-042,Ada,Okafor,ada@example.com,driver,Night shift;Depot North"""
    examples = (
        "manage.py import_people --organization acme people.csv --dry-run",
        "manage.py import_people --organization acme people.csv --report outcomes.csv",
        "manage.py import_people --organization acme --as ada@example.com - < people.csv",
    )
    columns = strict(COLUMNS)
    take_in = import_people
