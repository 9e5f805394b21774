"""Examines the path to a server: runs the probes in order, each only where those before leave sense in it."""

import dataclasses
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from stillage.client.clouds import Cloud
from stillage.client.doctor import advice
from stillage.client.doctor.assessing import assess_connection
from stillage.client.doctor.assessing_bodies import assess_bodies
from stillage.client.doctor.assessing_transfers import (
    assess_fetched,
    assess_growing,
    assess_pause,
    assess_refusal,
    assess_silence,
    assess_upload,
)
from stillage.client.doctor.bodies import Bodies, ask_for_bodies
from stillage.client.doctor.connection import Reached, reach
from stillage.client.doctor.findings import Finding, good, problem, unknown
from stillage.client.doctor.transfers import (
    DATA,
    GROWING,
    GROWING_THOROUGH,
    HOSTILE_SIZE,
    SEEN,
    Transfers,
    Waits,
)
from stillage.client.doctor.wire import Target
from stillage.client.errors import BadCloud, NetworkGaveUp, ServerRefused
from stillage.client.http import Broken, trust_of
from stillage.client.session import Session

PAUSE_S, PAUSE_THOROUGH_S = 3.0, 75.0
ANONYMOUS = "no credentials; name a cloud with --os-cloud"
GIVE_UP_S = 15.0
WITH_CREDENTIALS = ("upload", "upload_idle", "chunked_upload", "early_refusal", "range", "etag")


class Examination:
    """Examines what is at *url*, or where *cloud* says that images are. `findings` grows.

    Args:
        cloud: With credentials, or only with the authorities to trust.
        url: Of the image service; None asks the cloud's catalogue.
        answer_s: How long to wait for an answer that is due.
        thorough: Wait longer than the server's own limits, and send more.
    """

    def __init__(self, cloud: Cloud, url: str | None, *, answer_s: float, thorough: bool) -> None:
        self.url = url or cloud.image_url or cloud.find("auth_url") or ""
        self.findings: list[Finding] = []
        self.is_reached = False
        self._cloud = dataclasses.replace(cloud, image_url=url or cloud.image_url)
        self._thorough = thorough
        self._waits = Waits(answer_s, PAUSE_THOROUGH_S if thorough else PAUSE_S)

    async def run(self) -> None:
        """Run every probe.

        Raises:
            BadCloud: If the cloud or the URL is unusable.
        """
        async with AsyncExitStack() as stack:
            session = await self._login(stack) if self._cloud.auth else None
            self.url = session.place.image_url if session else self.url
            target = Target.of(self.url, trust_of(self._cloud))
            reached = await reach(target, self._waits.answer_s)
            self.is_reached = not reached.error
            self.findings[:0] = assess_connection(reached, now=datetime.now(UTC), verified=self._cloud.verify)
            if session is None and self._cloud.image_url is None:
                # Only the identity service is known.
                self.findings = [finding for finding in self.findings if finding.check != "service"]
            elif (reachable := self._target_of_bodies(target, reached)) is not None:
                await self._probe(session, target, reachable)

    async def _probe(self, session: Session | None, target: Target, reachable: Target) -> None:
        """Send bodies to *reachable*, which is *target* or the same without a check of its certificate."""
        try:
            bodies = await ask_for_bodies(reachable, self._waits.answer_s)
            self.findings += assess_bodies(bodies)
            await self._transfer(session, target, bodies)
        except (OSError, Broken, NetworkGaveUp) as error:
            self.findings.append(problem("service", f"the connection failed: {error}", advice.SERVICE))

    async def _login(self, stack: AsyncExitStack) -> Session | None:
        try:
            session = await stack.enter_async_context(Session.to(self._cloud, give_up_after_s=GIVE_UP_S))
        except (BadCloud, ServerRefused, NetworkGaveUp) as error:
            if not self.url:
                raise
            self.findings.append(problem("login", str(error), advice.LOGIN))
            return None
        self.findings.append(good("login", f"as {self._cloud.name}"))
        return session

    def _target_of_bodies(self, target: Target, reached: Reached) -> Target | None:
        """Return where to send bodies: without a check of the certificate, if that failed; None if nothing answers."""
        if reached.head is not None:
            return target
        if reached.trusted is None or reached.trusted.verify_code is None:
            return None
        return dataclasses.replace(target, trust=trust_of(dataclasses.replace(self._cloud, verify=False)))

    async def _transfer(self, session: Session | None, target: Target, bodies: Bodies) -> None:
        if session is None:
            why = "the login failed" if self._cloud.auth else ANONYMOUS
            self.findings += [unknown(check, why) for check in WITH_CREDENTIALS]
            return
        transfers = Transfers(session, target, self._waits)
        try:
            await self._upload(transfers, bodies)
            if self._thorough:
                self.findings.append(assess_silence(await transfers.listen()))
        except (BadCloud, ServerRefused) as error:
            self.findings.append(problem("upload", str(error), advice.UPLOAD))

    async def _upload(self, transfers: Transfers, bodies: Bodies) -> None:
        put, fetched = await transfers.upload_and_fetch(min(len(DATA), bodies.limit.passed))
        self.findings += [assess_upload(put), assess_pause(put, self._waits.pause_s), *assess_fetched(fetched)]
        sizes = GROWING_THOROUGH if self._thorough else GROWING
        self.findings.append(assess_growing(await transfers.grow(sizes)))
        size = min(HOSTILE_SIZE, bodies.limit.passed)
        if size <= SEEN:
            self.findings.append(unknown("early_refusal", "the proxy lets too little through"))
            return
        early = await transfers.refuse(size)
        self.findings.append(assess_refusal(early, buffered=not bodies.early.is_early))
