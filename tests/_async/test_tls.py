"""TLS: what is given to a client, and what is said at once where the certificate is wrong."""

import ssl
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from elasticsearch import (
    AsyncElasticsearch,
    ConnectionError,  # noqa: A004  # the client's own
    SSLError,
)
from langchain_core.messages import HumanMessage

from elasticsearch_chat_history import AsyncElasticsearchChatMessageHistory
from elasticsearch_chat_history._reporting import OTHER_CERTIFICATE_SAID, SIGNER_HINT
from tests.support.client_requests import recorded
from tests.support.tls_proxy import TlsProxy

GREETING = HumanMessage("Hello")
NO_FINGERPRINT = "00" * 32


@pytest.fixture
def over_tls(client_arguments: dict[str, Any], tls_proxy: TlsProxy) -> dict[str, Any]:
    """What a client is given but for what says whom it trusts."""
    return {**client_arguments, "hosts": [tls_proxy.url]}


async def test_a_client_knows_who_signed_the_certificate(
    over_tls: dict[str, Any], tls_proxy: TlsProxy, shared_index: str, session_id: str
) -> None:
    authority, fingerprint = tls_proxy.certificates.authority, tls_proxy.certificates.fingerprint
    for trusted in (
        {"ca_certs": authority},
        {"ssl_context": ssl.create_default_context(cafile=authority)},
        {"ssl_assert_fingerprint": fingerprint},
        {"ssl_assert_fingerprint": fingerprint, "ca_certs": tls_proxy.certificates.stranger},
    ):
        async with AsyncElasticsearch(**over_tls, **trusted) as client:
            history = AsyncElasticsearchChatMessageHistory(shared_index, session_id, client=client)
            await history.aadd_message(GREETING)
            assert await history.aget_messages() == [GREETING]
            await history.aclear()


async def test_an_address_alone_trusts_what_python_trusts(
    address: dict[str, Any],
    tls_proxy: TlsProxy,
    shared_index: str,
    session_id: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", tls_proxy.certificates.authority)
    async with AsyncElasticsearchChatMessageHistory(
        shared_index, session_id, **{**address, "es_url": tls_proxy.url}
    ) as history:
        await history.aadd_message(GREETING)
        assert await history.aget_messages() == [GREETING]


CALLS: dict[str, Callable[[AsyncElasticsearchChatMessageHistory], Any]] = {
    "read": lambda history: history.aget_messages(),
    "write": lambda history: history.aadd_message(GREETING),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("trusted", ["nobody", "a stranger", "a fingerprint"])
async def test_a_wrong_certificate_is_told_at_once(
    trusted: str,
    call: Callable[[AsyncElasticsearchChatMessageHistory], Any],
    over_tls: dict[str, Any],
    tls_proxy: TlsProxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    given: dict[str, Any] = {
        "nobody": {},
        "a stranger": {"ca_certs": tls_proxy.certificates.stranger},
        "a fingerprint": {"ssl_assert_fingerprint": NO_FINGERPRINT},
    }[trusted]
    async with AsyncElasticsearch(**over_tls, **given, max_retries=0) as client:
        history = AsyncElasticsearchChatMessageHistory("chats", "s", client=client)
        requests = recorded(client)
        with pytest.raises(ConnectionError):
            await call(history)
    assert len(requests) == 1
    (record,) = [one for one in caplog.records if one.name == "elasticsearch_chat_history"]
    said = record.getMessage()
    if trusted == "a fingerprint":
        assert OTHER_CERTIFICATE_SAID in said or "Fingerprints did not match" in said
    else:
        assert said.endswith(SIGNER_HINT)


async def test_an_address_with_https_of_a_server_without_is_told_at_once(
    address: dict[str, Any],
) -> None:
    url = urlsplit(address["es_url"])._replace(scheme="https").geturl()
    async with AsyncElasticsearchChatMessageHistory("chats", "s", es_url=url) as history:
        requests = recorded(history.client)
        with pytest.raises(SSLError):
            await history.aget_messages()
    assert len(requests) == 1
