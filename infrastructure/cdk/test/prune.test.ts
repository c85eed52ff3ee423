import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

/** Answers as the AWS CLI does: a page a line, and a version that an alias names cannot be deleted. */
const AWS = `#!/usr/bin/env bash
case "$2 $4" in
  "list-versions-by-function abx-prod-events") printf '$LATEST\\n' ;;
  list-versions-by-function*) printf '$LATEST\\t1\\t2\\t9\\n10\\t11\\n' ;;
  delete-function*)
    if [[ "$4 $6" == "abx-prod-flags 2" ]]; then
      echo "ResourceConflictException: an alias names it" >&2
      exit 254
    fi
    echo "$4 $6" >> "$DELETED" ;;
  *) echo "not expected: $*" >&2; exit 1 ;;
esac
`;

function prune(...options: string[]) {
  const folder = mkdtempSync(join(tmpdir(), "abx-test-"));
  const deleted = join(folder, "deleted");
  writeFileSync(join(folder, "aws"), AWS);
  chmodSync(join(folder, "aws"), 0o755);
  const env = { ...process.env, PATH: `${folder}:${process.env["PATH"]}`, DELETED: deleted };
  const ran = spawnSync(join(__dirname, "../bin/prune-versions"), options, { encoding: "utf8", env });
  const lines = existsSync(deleted) ? readFileSync(deleted, "utf8").trim().split("\n") : [];
  return { ...ran, deleted: lines };
}

test("old versions are shown, and deleted only if told", () => {
  const shown = prune("prod", "3");
  assert.equal(shown.status, 0, shown.stderr);
  assert.deepEqual(shown.deleted, []);
  assert.match(shown.stdout, /abx-prod-assignment: 5 versions, 2 to delete\n {2}would delete 1\n {2}would delete 2\n/);
  assert.match(shown.stdout, /abx-prod-events: 0 versions, 0 to delete\n$/);
});

test("the newest by number are kept, and the one that an alias names", () => {
  const done = prune("prod", "3", "--yes");
  assert.deepEqual(done.deleted, ["abx-prod-assignment 1", "abx-prod-assignment 2", "abx-prod-flags 1"]);
  assert.equal(done.status, 1, "one could not be deleted");
  assert.match(done.stderr, /kept 2: ResourceConflictException/);
  assert.deepEqual(prune("prod", "5", "--yes").deleted, []);
});

test("what cannot be meant deletes nothing", () => {
  for (const options of [[], ["prod"], ["prod", "0"], ["prod", "-1"], ["prod", "all"], ["*", "3"], ["prod", "3", "-y"]]) {
    const ran = prune(...options);
    assert.equal(ran.status, 2, options.join(" "));
    assert.match(ran.stderr, /use: bin\/prune-versions STAGE KEEP/);
    assert.deepEqual(ran.deleted, []);
  }
});
