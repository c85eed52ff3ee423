"""The command lines of the operator's pages, as they stand there, over the emulated AWS.

Each `abx` line is run and must end as it is expected to. A line of the AWS CLI is run where the emulator answers it, else its operation and
its parameters are checked against the models of the AWS CLI. Of the CDK the subcommand must exist. Any other line needs a reason.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from string import Template

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../.."))
PAGES = ["docs/runbook.md", "docs/operating.md"]

# Lines that end with something else than 0: the story left an alarm, and records that are refused however often they are replayed.
EXITS = {"abx status ": 1, "abx redrive --quarantine ": 1}

# Lines of the AWS CLI that the emulator answers.
RUN = ["aws s3 sync s3://BUCKET/aws/lambda/", "aws sts get-caller-identity", "aws kinesis put-record", "aws lambda list-event-source-mappings"]

# What cannot be run here, and why.
NOT_HERE = {
    "aws s3 rm": "it would empty the archive, and it has no model to check its parameters against",
    "aws cloudwatch": "names the service, and no operation",
    "cargo": "builds the functions",
    "cd": "every line here is run where it belongs",
    "curl": "asks a function URL or a gateway, which the emulator has not",
    "npm": "CI runs it for the stacks",
    "rustup": "installs the target that functions are built for",
    "$EDITOR": "asks a person",
}


def lines(text):
    """The command lines of a page: those of its `sh` blocks, and what stands between backticks and begins as one of ours."""
    found = []

    def block(match):
        for line in match[1].replace("\\\n", " ").splitlines():
            if line.strip():
                found.append((match.start(), re.sub(r"\s{2,}#.*", "", line).strip()))
        # What comes after it keeps its place.
        return " " * len(match[0])

    rest = re.sub(r"^```sh\n(.*?)^```$", block, text, flags=re.M | re.S)
    rest = re.sub(r"^```.*?^```$", lambda match: " " * len(match[0]), rest, flags=re.M | re.S)
    for match in re.finditer(r"`((?:abx|aws|npx|cdk) [^`]*)`", rest):
        found.append((match.start(), " ".join(match[1].split())))
    return [line for _, line in sorted(found, key=lambda it: it[0])]


class Pages:
    def __init__(self, programs, endpoint, lambda_endpoint, known):
        self.programs, self.known, self.variables = programs, known, {}
        self.folder = os.path.join(programs["folder"], "operator")
        shutil.copytree(os.path.join(ROOT, "experiments"), os.path.join(self.folder, "experiments"))
        binaries = os.path.join(programs["folder"], "bin")
        os.mkdir(binaries)
        for name in ("abx", "aws"):
            os.symlink(os.path.abspath(programs[name]), os.path.join(binaries, name))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
            "PATH": f"{binaries}{os.pathsep}{os.environ['PATH']}",
            "HOME": self.folder,
            "NO_COLOR": "1",
            "USER": "ana",
            "AWS_PAGER": "",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_ENDPOINT_URL_LAMBDA": lambda_endpoint,
        }
        self.revision = 0

    def filled(self, line):
        """A line with its placeholders filled in. The emulated account has one stage, whose name is left out of all names."""
        line = Template(line).safe_substitute(self.variables)
        line = re.sub(r"\babx-(STAGE|prod)-", "abx-", line).replace("s3://BUCKET/aws/lambda/", f"s3://{self.known['FAILURES']}/aws/lambda/")
        line = re.sub(r"--alarm-prefix abx-(STAGE|prod)\b", "--alarm-prefix abx-e2e", line)
        return shlex.join(self.known.get(word, word) for word in shlex.split(line))

    def ended(self, words, exits, **more):
        """Runs a command; why it is not as expected, if it is not."""
        ran = subprocess.run(words, capture_output=True, text=True, cwd=self.folder, env=self.environment, timeout=120, **more)
        return "" if ran.returncode == exits else f"ended with {ran.returncode}, not {exits}:\n{ran.stdout}{ran.stderr}"

    def publish(self):
        """Another revision, so that there is one to go back from."""
        self.revision += 1
        with open(os.path.join(self.folder, "experiments", "published_by_pages.yaml"), "w", encoding="utf-8") as file:
            file.write(f"flag: published_by_pages\nenabled: true\nrollout_percentage: {self.revision}\n")
        failed = self.ended(["abx", "publish", "experiments", "--yes", "--table", "abx-catalog"], 0)
        if failed:
            sys.exit(f"abx publish {failed}")

    def abx(self, line):
        words = shlex.split(self.filled(line))
        if all(re.fullmatch(r"[a-z-]+", word) for word in words):
            # A command by its name alone.
            return "named", self.ended([*words, "--help"], 0)
        if words[1] == "rollback":
            self.publish()
        exits = next((exits for start, exits in EXITS.items() if line.startswith(start)), 0)
        failed = self.ended(words, exits)
        if words[1] == "capture" and not failed:
            self.with_numbers_of_kinesis(words[2])
        return "run", failed

    def with_numbers_of_kinesis(self, name):
        """Sequence numbers of Kinesis never begin with a zero, and those of the emulator do."""
        path = os.path.join(self.folder, name)
        with open(path, encoding="utf-8") as file:
            text = re.sub(r'("sequenceNumber": ?")0+', r"\1", file.read())
        with open(path, "w", encoding="utf-8") as file:
            file.write(re.sub(r'("eventID": ?"[^":]*:)0+', r"\1", text))

    def aws(self, line):
        filled = self.filled(line)
        if any(line.startswith(it) for it in RUN):
            return "run", self.ended(shlex.split(filled), 0)
        if not re.match(r"aws [a-z0-9-]+ [a-z-]+", line):
            return "", "names no operation"
        # Unknown services, operations and parameters are refused before the skeleton is printed, and nothing is called.
        return "checked", self.ended([*shlex.split(filled), "--generate-cli-skeleton", "input"], 0)

    def cdk(self, line):
        words = shlex.split(self.filled(line))
        words = words[1:] if words[0] == "npx" else words
        program = os.path.join(ROOT, "infrastructure/cdk/node_modules/.bin/cdk")
        with open(os.path.join(ROOT, "infrastructure/cdk/package.json"), encoding="utf-8") as package:
            if words[0] != "cdk" or '"aws-cdk"' not in package.read():
                return "", "is no command of this repository"
        # Unknown subcommands print the help of all of them.
        helped = subprocess.run([program, words[1], "--help"], capture_output=True, text=True, env=self.environment, timeout=120)
        is_there = helped.returncode == 0 and re.match(rf"\s*cdk {words[1]}\b", helped.stdout)
        return "checked", "" if is_there else f"cdk has no {words[1]}: {helped.stdout[:200]}"

    def line(self, line):
        """How a line was looked at, and why it is wrong, if it is."""
        if any(line == it or line.startswith(it + " ") for it in NOT_HERE):
            return "not run", ""
        assignment = re.fullmatch(r'([A-Z]+)="([^"]*)"', line)
        if assignment:
            self.variables[assignment[1]] = assignment[2]
            return "set", ""
        program = line.split()[0]
        if program == "echo":
            os.makedirs(os.path.join(self.folder, "config"), exist_ok=True)
            return "run", self.ended(["sh", "-c", line], 0)
        ways = {"abx": self.abx, "aws": self.aws, "npx": self.cdk, "cdk": self.cdk}
        return ways[program](line) if program in ways else ("", "is neither run nor listed with a reason")


def run(programs, endpoint, lambda_endpoint, known, table):
    """Looks at every line of every page; a row of the table for each way. What `abx status` says at last of the deployment."""
    pages, ways, wrong, seen = Pages(programs, endpoint, lambda_endpoint, known), {}, [], set()
    for page in PAGES:
        with open(os.path.join(ROOT, page), encoding="utf-8") as file:
            for line in lines(file.read()):
                if line in seen and not line.startswith("abx rollback"):
                    continue
                seen.add(line)
                way, failed = pages.line(line)
                ways[way] = ways.get(way, 0) + 1
                wrong += [f"{page}: `{line}` {failed}"] if failed else []
    unused = [it for it in NOT_HERE if not any(line == it or line.startswith(it + " ") for line in seen)]
    wrong += [f"{it} is listed, and stands on no page" for it in unused]
    if wrong:
        sys.exit("\n".join(wrong))
    table.append(("commands of the operator's pages", ", ".join(f"{count} {way}" for way, count in sorted(ways.items()))))
    status = next(line for line in seen if line.startswith("abx status --table")) + " --format json"
    ran = subprocess.run(shlex.split(pages.filled(status)), capture_output=True, text=True, cwd=pages.folder, env=pages.environment)
    return json.loads(ran.stdout)
