"""Rows to test with, made through the services, so that they are as the product makes them."""

from datetime import timedelta
from typing import Any

import factory
from django.utils import timezone

from accounts.actors import Actor
from accounts.models import Organization, Person, User
from accounts.roles import Role
from accounts.services import people as accounts
from enrollments.models import Category, Course, Session
from enrollments.services import catalogue
from programs.models import Module, ModuleType, ProgramSession, ProgramTemplate
from programs.services import catalogue as programs
from training.models import Unit
from training.services import records

SYSTEM = Actor.system()


class OrganizationFactory(factory.Factory[Organization]):
    class Meta:
        model = Organization

    name = factory.Sequence(lambda n: f"Organization {n}")
    slug = factory.Sequence(lambda n: f"organization-{n}")

    @classmethod
    def _create(cls, model_class: type[Organization], *args: Any, **kwargs: Any) -> Organization:
        return accounts.create_organization(actor=SYSTEM, **kwargs)


class PersonFactory(factory.Factory[Person]):
    class Meta:
        model = Person

    organization = factory.SubFactory(OrganizationFactory)
    employee_id = factory.Sequence(lambda n: f"EMP-{n:05d}")
    first_name = "Ada"
    last_name = factory.Sequence(lambda n: f"Person {n}")
    username = factory.Sequence(lambda n: f"person{n}")
    mail = factory.Sequence(lambda n: f"person{n}@example.com")

    @classmethod
    def _create(cls, model_class: type[Person], *args: Any, **kwargs: Any) -> Person:
        return accounts.create_person(actor=SYSTEM, **kwargs)


class UserFactory(factory.Factory[User]):
    class Meta:
        model = User

    email = factory.Sequence(lambda n: f"staff{n}@example.com")
    password = "a long enough password"
    organization = factory.SubFactory(OrganizationFactory)
    is_staff = True
    role = Role.ADMINISTRATOR

    @classmethod
    def _create(cls, model_class: type[User], *args: Any, **kwargs: Any) -> User:
        return accounts.create_user(actor=SYSTEM, **kwargs)


class CourseFactory(factory.Factory[Course]):
    class Meta:
        model = Course

    organization = factory.SubFactory(OrganizationFactory)
    code = factory.Sequence(lambda n: f"C{n}")
    title = factory.Sequence(lambda n: f"Course {n}")

    @classmethod
    def _create(cls, model_class: type[Course], *args: Any, **kwargs: Any) -> Course:
        kwargs.setdefault("category", Category.objects.get(slug="safety"))
        return catalogue.create_course(actor=SYSTEM, **kwargs)


class SessionFactory(factory.Factory[Session]):
    class Meta:
        model = Session

    organization = factory.SelfAttribute("course.organization")
    course = factory.SubFactory(CourseFactory)
    name = factory.Sequence(lambda n: f"Session {n}")
    starts_at = factory.LazyFunction(lambda: timezone.now() + timedelta(days=7))
    ends_at = factory.LazyAttribute(lambda made: made.starts_at + timedelta(hours=8))

    @classmethod
    def _create(cls, model_class: type[Session], *args: Any, **kwargs: Any) -> Session:
        return catalogue.create_session(actor=SYSTEM, **kwargs)


class UnitFactory(factory.Factory[Unit]):
    class Meta:
        model = Unit

    organization = factory.SelfAttribute("course.organization")
    course = factory.SubFactory(CourseFactory)
    expires_on = factory.LazyFunction(lambda: timezone.now().date() + timedelta(days=365))

    @classmethod
    def _create(cls, model_class: type[Unit], *args: Any, **kwargs: Any) -> Unit:
        return records.buy_unit(actor=SYSTEM, **kwargs)


class ProgramSessionFactory(factory.Factory[ProgramSession]):
    """A program session; `courses` become the course modules of a template of its own."""

    class Meta:
        model = ProgramSession

    organization = factory.SubFactory(OrganizationFactory)
    name = factory.Sequence(lambda n: f"Program session {n}")

    @classmethod
    def _create(cls, model_class: type[ProgramSession], *args: Any, **kwargs: Any) -> ProgramSession:
        organization, courses = kwargs["organization"], kwargs.pop("courses", [])
        if "template" not in kwargs:
            template = ProgramTemplate(organization=organization, name=f"Template of {kwargs['name']}")
            kwargs["template"] = programs.create(actor=SYSTEM, row=template)
        for position, course in enumerate(courses, start=1):
            module = Module(
                organization=organization,
                template=kwargs["template"],
                position=position,
                type=ModuleType.COURSE,
                course=course,
            )
            programs.create(actor=SYSTEM, row=module)
        return programs.create_session(actor=SYSTEM, **kwargs)
