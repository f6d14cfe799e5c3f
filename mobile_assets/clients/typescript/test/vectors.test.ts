/** The test vectors that every client must give alike, whatever language it is written in. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { findBucket, includesDevice } from "../src/bucketing.js";
import { RUNTIMES_OF, WHOLE_SHARE_BP } from "../src/contract.js";
import { webCryptography } from "../src/crypto.js";
import { type Offer, type OfferedArtifact, Policy } from "../src/decide.js";
import type { KnownDevice } from "../src/device.js";
import { VersionError } from "../src/errors.js";
import { parseRelease } from "../src/release.js";
import { isOfferedByDefault, rankOf } from "../src/variants.js";
import { compareSystems, compareVersions, isInRange, runsOnExecutorch } from "../src/versions.js";
import { readVectors } from "./support/vectors.js";

interface Variant {
  runtime: string;
  precision: string;
  backend: string;
  executed_here: boolean;
}

interface JsonOffer {
  manifest_sha256: string;
  other_bytes: number;
  artifacts: (Variant & {
    path: string;
    platforms: string[];
    made_with: string;
    sha256: string;
    size_bytes: number;
  })[];
}

interface JsonDevice {
  platform: string;
  os_version?: string;
  app_version?: string;
  device_id?: string;
  channel?: string;
  runtimes?: { name: string; version?: string | null }[];
  precision?: string;
  memory_bytes?: number;
  free_bytes?: number;
  network?: string;
  current?: { version: string; manifest_sha256?: string | null };
  have?: string[];
  refused?: string[];
}

interface Vectors {
  schema: string;
  constants: { runtimes_of: unknown; variants: Variant[] };
  bucketing: {
    salt: string;
    device_id: string | null;
    bucket: number | null;
    included: Record<string, boolean>;
  }[];
  version_order: { ascending: string[]; same: [string, string][]; malformed: string[] };
  ranges: {
    cases: { range: string; version: string; contains: boolean }[];
    malformed: string[];
  };
  systems: { cases: { left: string; right: string; order: number }[]; malformed: string[] };
  executorch: { made_with: string; linked: string; runs: boolean }[];
  decisions: {
    releases: Record<string, unknown>;
    offers: Record<string, JsonOffer>;
    cases: {
      about: string;
      release: string;
      device: JsonDevice;
      restraint: { halted: string[]; share_bp: number };
      decision: { action: string; code: string; version: string | null; artifact: string | null };
    }[];
  };
}

const vectors = readVectors<Vectors>();
const cryptography = webCryptography();

test("the vectors are of the schema that this test reads", () => {
  assert.equal(vectors.schema, "ghostlens.vectors/1");
});

test("constants", () => {
  assert.deepEqual(RUNTIMES_OF, vectors.constants.runtimes_of);
  vectors.constants.variants.forEach((variant, rank) => {
    assert.equal(rankOf(variant), rank);
    assert.equal(isOfferedByDefault(variant), variant.executed_here);
  });
});

test("bucketing", async () => {
  assert.ok(vectors.bucketing.length > 20);
  for (const { salt, device_id, bucket, included } of vectors.bucketing) {
    if (bucket !== null) {
      assert.equal(await findBucket(cryptography, salt, device_id ?? ""), bucket);
    }
    for (const [share, expected] of Object.entries(included)) {
      const rollout = { salt, shareBp: Number(share) };
      assert.equal(
        await includesDevice(cryptography, rollout, device_id),
        expected,
        device_id ?? "",
      );
    }
  }
});

test("the order of versions", () => {
  const { ascending, same, malformed } = vectors.version_order;
  ascending.forEach((left, i) => {
    ascending.forEach((right, j) => assert.equal(compareVersions(left, right), Math.sign(i - j)));
  });
  for (const [left, right] of same) assert.equal(compareVersions(left, right), 0);
  for (const text of malformed) {
    assert.throws(() => compareVersions(text, "1.0.0"), VersionError, JSON.stringify(text));
  }
});

test("ranges", () => {
  for (const { range, version, contains } of vectors.ranges.cases) {
    assert.equal(isInRange(version, range), contains, `${version} in ${range}`);
  }
  for (const range of vectors.ranges.malformed) {
    assert.throws(() => isInRange("1.0.0", range), VersionError, JSON.stringify(range));
  }
});

test("versions of systems", () => {
  for (const { left, right, order } of vectors.systems.cases) {
    assert.equal(compareSystems(left, right), order, `${left} and ${right}`);
  }
  for (const text of vectors.systems.malformed) {
    assert.throws(() => compareSystems(text, "1"), VersionError, JSON.stringify(text));
  }
});

test("versions of ExecuTorch's runtime", () => {
  for (const { made_with, linked, runs } of vectors.executorch) {
    assert.equal(runsOnExecutorch(made_with, linked), runs, `${made_with} on ${linked}`);
  }
});

test("decisions", async () => {
  const { releases, offers, cases } = vectors.decisions;
  assert.ok(cases.length > 200);
  const read = new Map(Object.entries(offers).map(([version, offer]) => [version, toOffer(offer)]));
  for (const { about, release, device, restraint, decision } of cases) {
    const signed = parseRelease(new TextEncoder().encode(JSON.stringify(releases[release])));
    const held = { halted: new Set(restraint.halted), shareBp: restraint.share_bp };
    const policy = new Policy(cryptography, signed, read, held);
    const { action, code, version, artifact } = await policy.decide(toDevice(device));
    assert.deepEqual({ action, code, version, artifact }, decision, `${release}: ${about}`);
  }
});

test("without a restraint a policy holds nothing back", async () => {
  const { releases, offers } = vectors.decisions;
  const bytes = new TextEncoder().encode(JSON.stringify(releases["rollout to all"]));
  const read = new Map(Object.entries(offers).map(([version, offer]) => [version, toOffer(offer)]));
  const policy = new Policy(cryptography, parseRelease(bytes), read);
  const decision = await policy.decide({ platform: "android", deviceId: "any" });
  assert.deepEqual([decision.action, decision.version], ["take", "1.1.0"]);
  assert.equal(WHOLE_SHARE_BP, 10_000);
});

function toOffer(offer: JsonOffer): Offer {
  return {
    manifestSha256: offer.manifest_sha256,
    otherBytes: offer.other_bytes,
    artifacts: offer.artifacts.map(({ made_with: madeWith, size_bytes: sizeBytes, ...rest }) => {
      return { ...rest, madeWith, sizeBytes } as OfferedArtifact;
    }),
  };
}

/** Some vectors name platforms that there are not, which the types would refuse. */
function toDevice(device: JsonDevice): KnownDevice {
  const { current } = device;
  return {
    platform: device.platform,
    osVersion: device.os_version,
    appVersion: device.app_version,
    deviceId: device.device_id,
    channel: device.channel,
    runtimes: device.runtimes?.map(({ name, version }) => ({
      name,
      version: version ?? undefined,
    })),
    precision: device.precision,
    memoryBytes: device.memory_bytes,
    freeBytes: device.free_bytes,
    network: device.network,
    running: current && {
      version: current.version,
      manifestSha256: current.manifest_sha256 ?? undefined,
    },
    have: device.have,
    refused: device.refused,
  } as KnownDevice;
}
