import json
import pytest
from tests.conftest import api_of, body_of
from tests.factories import *


def test_probe(api, organization):
    c = CourseFactory(organization=organization)

    def show(r):
        print(r.status_code, dict(r.headers), b"".join(r.streaming_content)[:200] if r.streaming else r.content[:300])

    show(api.get("/api/v1/training/courses"))
    show(api.request("head", "/api/v1/training/courses"))
    show(api.request("head", "/api/train_sessions"))
    g = lambda m, p, d=b"", ct="application/json", **h: api.client.generic(
        m, p, d, ct, headers={"Authorization": "Bearer " + api.secret, **h}
    )
    show(g("POST", "/api/v1/training/enrollments", rb'{"\ud800": 1, "session_id": 1, "employee_ids": [1]}'))
    show(g("POST", "/api/v1/training/employees", rb'{"first_name": "\ud800", "employee_id": "1"}'))
    show(g("POST", "/api/train_sessions/unassign", b"ids=1", "application/x-www-form-urlencoded; charset=latin-1"))
    show(g("POST", "/api/train_sessions/unassign", b"ids=1", "multipart/form-data"))
    show(g("POST", "/api/train_sessions/unassign", b"ids=1", "multipart/form-data; boundary=x; charset=bogus"))
    show(g("POST", "/api/train_sessions/unassign", b"ids=%ff", "application/x-www-form-urlencoded"))
    show(g("POST", "/api/train_sessions/unassign", b'{"ids": [1e999]}'))
    show(g("POST", "/api/train_sessions/unassign", b'{"ids": [' + b"9" * 5000 + b"]}"))
    show(g("POST", "/api/train_sessions/unassign", b"[1]"))
    show(g("POST", "/api/train_sessions/unassign", b"null"))
    show(g("POST", "/api/v1/training/enrollments", b"null"))
    show(g("POST", "/api/train_sessions/unassign", b'{"ids": [{"a": 1}]}'))
    show(g("POST", "/api/train_sessions/unassign", b"[" * 100000))
    show(g("GET", "/api/train_sessions", HTTP_HOST="evil"))
    show(g("GET", "/api/train_sessions", Host="evil"))
    show(g("GET", "/api/train_sessions?" + "&".join(["a=1"] * 10001)))
    show(g("BREW", "/api/train_sessions"))
    show(g("OPTIONS", "/api/train_sessions"))
    show(g("GET", "/api/train_sessions//"))
    show(g("GET", "/api/train_sessions/%ff"))
    show(g("GET", "/api/train_sessions/1/2/%00%ff"))
    show(g("GET", "/api/train_sessions?full_name_cont=%00"))
    show(g("GET", "/api/train_sessions?full_name_cont=%ed%a0%80"))
    show(g("GET", "/api/train_sessions?%ff=1"))
    show(g("GET", "/api/train_sessions?completion_date_gteq=0001-01-01&completion_date_lteq=9999-12-31"))
    show(g("GET", "/api/v1/training/enrollments?year=9999"))
    show(g("GET", "/api/v1/training/enrollments?year=1"))
    show(g("GET", "/api/v1/training/enrollments?year=%2B1"))
    show(g("GET", "/api/v1/training/enrollments?page=999999999&per_page=100"))
    show(g("GET", "/api/train_sessions?percent_complete_eq=9223372036854775807"))
    show(g("GET", "/api/train_sessions?failed_attempts_eq=-9223372036854775807"))
    show(g("GET", "/api/train_sessions?page=1&s=score+desc"))
    show(g("GET", "/api/train_sessions?ids=1;2"))
    show(
        g(
            "POST",
            "/api/v1/training/courses",
            json.dumps({"code": "a", "title": "b\u0000", "category": "safety"}).encode(),
        )
    )
    show(
        g(
            "POST",
            "/api/v1/training/sessions",
            json.dumps(
                {
                    "course_id": c.pk,
                    "session_name": "b",
                    "start_date": "2026-01-01T00:00:00Z",
                    "end_date": "0001-01-01T00:00:00+14:00",
                }
            ).encode(),
        )
    )
    show(
        g(
            "POST",
            "/api/v1/training/sessions",
            json.dumps(
                {
                    "course_id": c.pk,
                    "session_name": "b",
                    "start_date": "9999-12-31T23:59:59Z",
                    "end_date": "9999-12-31T23:59:59-01:00",
                }
            ).encode(),
        )
    )
    show(
        g(
            "POST",
            "/api/v1/training/sessions",
            json.dumps(
                {
                    "course_id": c.pk,
                    "session_name": "b",
                    "start_date": "9999-12-31T23:59:59Z",
                    "end_date": "9999-12-31T23:59:59Z",
                }
            ).encode(),
        )
    )
    organization.time_zone = "Pacific/Kiritimati"
    organization.save()
    show(g("GET", "/api/v1/training/sessions"))
    show(g("GET", f"/api/v1/training/courses/{c.pk}"))
