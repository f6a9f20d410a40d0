"""A homeserver's endpoints over the SQL programs: bodies in, programs, bodies out."""

from collections.abc import Mapping

import attrs

from fallbackkeys import WIRE, Key, Policy, Refusal, SeveralFallbackKeys, Wanted, keystore, sql, wire
from fallbackkeys.errors import JSON
from fallbackkeys.keystore import UNREACHABLE, Unreachable
from fallbackkeys.sql import Engine
from fallbackkeys.wire import Response, decode, encode
from tests.sql.embedding import Database


@attrs.frozen
class SqlServer:
    """Any server of `traces.server`, its keys in a database."""

    server_name: str
    database: Database
    policy: Policy = WIRE

    @property
    def engine(self) -> Engine:
        return self.database.engine

    def upload(self, *, user: str, device: str, body: JSON, dialects: tuple[str, ...]) -> Response:
        fallback_member = ""
        try:
            uploader = decode.device(user, device)
            decoded = decode.upload(body, uploader, spoken=wire.dialects(dialects), policy=self.policy)
            fallback_member = str(decoded.fallback_member)
            self.database.do(sql.upload(uploader, decoded.keys, engine=self.engine, policy=self.policy))
        except SeveralFallbackKeys as refusal:
            return _refused(attrs.evolve(refusal, member=fallback_member))
        except Refusal as refusal:
            return _refused(refusal)
        view = self.database.within(sql.sync(uploader, engine=self.engine))
        return Response(status=200, body=encode.upload_answer(view))

    def claim(self, *, user: str | None, body: JSON, remote: Mapping[str, JSON]) -> Response:
        del user
        try:
            wanted = decode.claim(body, policy=self.policy)
            local, asked = keystore.split(wanted, self.server_name)
            claimed = self.database.do(sql.claim_many(local, engine=self.engine, policy=self.policy))
        except Refusal as refusal:
            return _refused(refusal)
        answers: dict[str, Mapping[Wanted, Key] | Unreachable] = {}
        for server, entries in asked.items():
            keys = decode.remote_answer(remote.get(server), entries, policy=self.policy)
            answers[server] = UNREACHABLE if keys is None else keys
        merged, failures = keystore.merge(claimed.keys, asked, answers)
        return Response(status=200, body=encode.claim_answer(merged, failures))

    def federation_claim(self, *, origin: str, body: JSON) -> Response:
        del origin
        try:
            wanted = decode.claim(body, only_of=self.server_name, policy=self.policy)
            claimed = self.database.do(sql.claim_many(wanted, engine=self.engine, policy=self.policy))
        except Refusal as refusal:
            return _refused(refusal)
        return Response(status=200, body=encode.claim_answer(claimed.keys, None))

    def sync(self, *, user: str, device: str, dialects: tuple[str, ...]) -> Response:
        try:
            syncing = decode.device(user, device)
        except Refusal as refusal:
            return _refused(refusal)
        view = self.database.within(sql.sync(syncing, engine=self.engine))
        return Response(status=200, body=encode.sync_fields(view, wire.dialects(dialects)))

    def delete_device(self, *, user: str, device: str) -> Response:
        try:
            leaving = decode.device(user, device)
        except Refusal as refusal:
            return _refused(refusal)
        self.database.do(sql.remove(leaving, engine=self.engine))
        return Response(status=200, body={})


def _refused(refusal: Refusal) -> Response:
    return Response(status=refusal.status, body=encode.refusal_answer(refusal))
