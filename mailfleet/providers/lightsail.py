"""Instances of Amazon Lightsail.

API: https://docs.aws.amazon.com/lightsail/2016-11-28/api-reference/API_GetInstances.html
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mailfleet.providers.servers import ROLES_LABEL, ProviderError, Server

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_lightsail.type_defs import InstanceTypeDef

_BAD_CREDENTIALS = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "UnauthenticatedException",
    "UnrecognizedClientException",
}


def servers(
    regions: Sequence[str] = (),
    tag: str = ROLES_LABEL,
    value: str | None = None,
    profile: str | None = None,
) -> list[Server]:
    """The instances that carry a tag (with that value, if given), sorted by name.

    Credentials, and the region if none is given, are found as every AWS tool finds them
    (https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html); the right
    `lightsail:GetInstances` is all they need. `$AWS_ENDPOINT_URL_LIGHTSAIL` replaces the address of
    the API. Raises ProviderError when they are not accepted, the API cannot be reached, no region
    is known or nothing matches.
    """
    session, errors = session_of(profile)
    names = list(regions) or ([session.region_name] if session.region_name else [])
    if not names:
        raise ProviderError("no Lightsail region: set AWS_REGION or MAILFLEET_LIGHTSAIL_REGIONS")
    try:
        found = [instance for region in names for instance in _instances(session, region)]
    except errors.ClientError as error:
        raise refused(error.response.get("Error", {}), "lightsail:GetInstances") from None
    except errors.BotoCoreError as error:
        raise ProviderError(f"cannot query Lightsail: {_one_line(error)}") from None
    matching = [_server(one) for one in found if _matches(_tags(one), tag, value)]
    if not matching:
        wanted = tag if value is None else f"{tag}={value}"
        raise ProviderError(
            f"no Lightsail instance in {', '.join(names)} has the tag {wanted}: tag the instances, "
            "or check regions and AWS_PROFILE"
        )
    return sorted(matching, key=lambda server: server.name)


def session_of(profile: str | None) -> "tuple[boto3.Session, Any]":
    """A session, and botocore's errors. Raises ProviderError."""
    try:
        import boto3
        from botocore import exceptions
    except ImportError:
        raise ProviderError("boto3 is missing: `pip install 'mailfleet[lightsail]'`") from None
    try:
        return boto3.Session(profile_name=profile), exceptions
    except exceptions.BotoCoreError as error:
        raise ProviderError(f"AWS_PROFILE cannot be used: {_one_line(error)}") from None


def _instances(session: "boto3.Session", region: str) -> "list[InstanceTypeDef]":
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 2})
    pages = session.client("lightsail", region, config=config).get_paginator("get_instances")
    return [instance for page in pages.paginate() for instance in page["instances"]]


def refused(error: Any, rights: str) -> ProviderError:
    """The error message of AWS with a remedy; `rights` are those that the credentials need."""
    code = error.get("Code", "unknown error")
    if code in _BAD_CREDENTIALS:
        return ProviderError(
            f"AWS does not accept the credentials ({code}): check AWS_PROFILE or AWS_ACCESS_KEY_ID "
            f"and their right {rights}"
        )
    return ProviderError(f"the Lightsail API answers: {_one_line(error.get('Message'))} ({code})")


def _one_line(text: object) -> str:
    return " ".join(str(text).split())


def _tags(instance: "InstanceTypeDef") -> dict[str, str]:
    return {tag["key"]: tag.get("value", "") for tag in instance.get("tags", [])}


def _matches(tags: dict[str, str], tag: str, value: str | None) -> bool:
    return tag in tags and value in (None, tags[tag])


def _server(instance: "InstanceTypeDef") -> Server:
    return Server(
        name=instance["name"],
        location=instance["location"]["regionName"],
        public_ipv4=instance.get("publicIpAddress"),
        public_ipv6=next(iter(instance.get("ipv6Addresses", [])), None),
        private_ipv4=instance.get("privateIpAddress"),
        labels=_tags(instance),
        ssh_user=instance.get("username"),
    )
