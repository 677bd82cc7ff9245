# SPDX-FileCopyrightText: the nself.prod authors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment for the tests of the role containers: a host, and services that do something on it."""

from __future__ import annotations

from ansible_collections.nself.prod.plugins.module_utils.change.stack.override import Override
from ansible_collections.nself.prod.plugins.module_utils.change.stack.parts.containers import Containers
from ansible_collections.nself.prod.plugins.module_utils.host import Completed, FileInfo
from fake_host import FakeHost
from fake_stack import FakeStack
from part_options import options_of

GIB = 1 << 30
OWNER = FileInfo(0o755, 1000, 1000, 0, 0.0, "dir")
ROOTS = FileInfo(0o755, 0, 0, 0, 0.0, "dir")


class World:
    """A host of 8 GiB and 4 processors with the services that are added to it."""

    def __init__(self):
        self.services, self.containers, self.images, self.diffs = {}, {}, {}, {}
        self.document = ""
        self.files = {
            "/proc/meminfo": "MemTotal:        8048576 kB\n",
            "/proc/stat": "cpu  1\n" + "".join("cpu%d 1\n" % number for number in range(4)),
        }
        self.stats = {"/srv/app": OWNER}

    def add(
        self,
        name,
        image,
        uids=(0,),
        user="",
        image_user="",
        mounts=(),
        diff="",
        memory=0,
        applied=None,
        labels=None,
        **model,
    ):
        """Add a service that runs with these uids. mounts: (source, target, rw, FileInfo)."""
        pid = str(100 + len(self.services))
        identity = ("%02x" % len(self.services)) * 32
        model.setdefault("image", image)
        self.services[name] = {key: value for key, value in model.items() if value is not None}
        self.containers[name] = {
            "Id": identity,
            "Config": {"User": user, "Image": image, "Labels": labels or {}},
            "State": {"Running": bool(uids), "Pid": int(pid) if uids else 0},
            "HostConfig": dict({"LogConfig": {"Type": "json-file"}}, **(applied or {})),
            "Mounts": [
                {
                    "Type": "bind" if source.startswith("/srv") else "volume",
                    "Source": source,
                    "Destination": target,
                    "RW": rw,
                }
                for source, target, rw, _info in mounts
            ],
        }
        self.images[name] = {"Config": {"User": image_user}, "RepoDigests": []}
        for source, _target, _rw, info in mounts:
            self.stats[source] = info
        self.diffs[identity] = diff
        group = "/docker/" + identity
        for number, uid in enumerate(uids):
            member = pid if number == 0 else pid + "%02d" % number
            self.files["/proc/%s/status" % member] = "Uid:\t%d\t%d\t0\t0\nGid:\t%d\t%d\t0\t0\nPPid:\t1\n" % (
                uid,
                uid,
                uid,
                uid,
            )
            self.files["/proc/%s/cgroup" % member] = "0::%s\n" % group
        self.files["/sys/fs/cgroup%s/memory.current" % group] = "%d\n" % memory
        self.files["/sys/fs/cgroup%s/memory.stat" % group] = "anon 1\ninactive_file 0\n"

    def stack(self, **more):
        commands = {("docker diff " + identity): text for identity, text in self.diffs.items()}
        commands["docker version --format '{{.Server.APIVersion}}'"] = "1.45\n"
        commands["docker"] = Completed(1, "", "no such image")
        host = FakeHost(self.files, self.stats, commands)
        stack = FakeStack(self.services, containers=self.containers, images=self.images, host=host, **more)
        stack.override = Override(roles={"containers": self.document})
        return stack

    def plan(self, variables=None, raw=None, **options):
        part = Containers(self.stack(variables=variables, raw=raw), options_of(Containers, options), {})
        return part.plan()


def one(plan, name):
    return plan.fragment["services"][name]


def port(host_ip, published, target):
    return {"host_ip": host_ip, "published": published, "target": target, "protocol": "tcp"}
