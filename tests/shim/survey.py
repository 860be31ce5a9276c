#!/usr/bin/python3
# SPDX-License-Identifier: MIT
#
# survey.py - what there is: calls of the C library that have to do with sockets, options of sockets, and what
# the shim stands in front of
#
# The C library is glibc, and musl. Its calls are those that it exports, under each of their names, and that (by their
# prototypes) take a descriptor, an address, or what else says or holds one; that make descriptors or processes; or
# that open connections of their own. Fortified, large-file and internal names go with the plain one.
"""Facts about this machine's C library and about the shim, as sets of names."""
import pathlib
import re
import subprocess

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = TOP / "build"

HEADERS = """aio.h arpa/inet.h fcntl.h ifaddrs.h net/if.h netdb.h netinet/in.h poll.h pty.h resolv.h sched.h
spawn.h stdio.h stdlib.h sys/epoll.h sys/eventfd.h sys/fanotify.h sys/file.h sys/inotify.h sys/ioctl.h sys/mman.h
sys/pidfd.h sys/poll.h sys/select.h sys/sendfile.h sys/signalfd.h sys/socket.h sys/stat.h sys/statfs.h
sys/statvfs.h sys/time.h sys/timerfd.h sys/uio.h sys/un.h sys/wait.h sys/xattr.h syslog.h termios.h unistd.h
utime.h sys/mount.h dirent.h execinfo.h utmp.h stropts.h""".split()

# In these all there is has to do with sockets.
WHOLE = re.compile(r"/(sys/(socket|epoll|select|poll|sendfile|uio)|aio|poll|netdb|ifaddrs|resolv|spawn|syslog)\.h$")
ABOUT = re.compile(r"\b_*\w*(fd|fds|sock|socket|fildes)s?\b|fd_set|"
                   r"struct (sockaddr|msghdr|mmsghdr|pollfd|epoll_event|iovec|addrinfo)")
MAKERS = re.compile(r"^(_?fork|_Fork|vfork|clone|setns|unshare|exec[lvpe]+|daemon|forkpty|openpty|popen|pclose|system|syscall|pipe2?|"
                    r"eventfd|signalfd|timerfd_create|inotify_init1?|fanotify_init|memfd_create|memfd_secret|"
                    r"userfaultfd|pidfd_open|open|open64|creat|creat64|rcmd|rcmd_af|ruserok|ruserok_af|iruserok|"
                    r"iruserok_af|rexec|rexec_af|rresvport|rresvport_af|getdtablesize)$")


def output(*command, **more):
    """What a command prints"""
    return subprocess.run(command, check=True, capture_output=True, text=True, **more).stdout


def exported(library):
    """Functions that a library exports, and since which version of it, where it says that"""
    found = {}
    for line in output("nm", "-D", "--defined-only", library).splitlines():
        kind, name = line.split()[1:3]
        if kind in "TWi" and ("@@" in name or "@" not in name):
            name, _, version = name.partition("@@")
            found[name] = version
    return found


def c_library():
    """The path of the C library that programs are linked with"""
    return output("gcc", "-print-file-name=libc.so.6").strip()


def musl():
    """musl's path, and the compiler's options for its headers"""
    directory = "/" + output("gcc", "-print-multiarch").strip().replace("-gnu", "-musl")
    return f"/usr/lib{directory}/libc.so", ["-nostdinc", "-isystem", f"/usr/include{directory}"]


def declarations(*options):
    """Names of functions in a C library's headers: (header, parameters)"""
    source = "".join(f"#if __has_include(<{header}>)\n#include <{header}>\n#endif\n" for header in HEADERS)
    text = output("gcc", "-E", "-D_GNU_SOURCE", "-O2", *options, "-x", "c", "-", input=source)
    header, found, statement = "", {}, ""
    for line in text.splitlines():
        marker = re.match(r'# \d+ "([^"]*)"', line)
        if marker:
            header = marker[1]
            continue
        statement += " " + line
        while (end := re.search(r"[;{}]", statement)):
            declared = re.search(r"\b([A-Za-z_]\w*)\s*(\((?:[^()]|\([^()]*\))*\))", statement[:end.start()])
            if declared:
                found.setdefault(declared[1], (header, declared[2]))
            statement = statement[end.end():]
    return found


def plain(name):
    """The name that a program writes for one of these"""
    name = re.sub(r"^_+(libc_|res_context_)?", "", name)
    name = re.sub(r"^(f?)xstat", r"\1stat", name)
    return re.sub(r"(_chk|_nocancel|_warn|_2)$", "", name)


def concerned(exports, declared):
    """Those that have to do with sockets"""
    about = {name for name in declared
             if WHOLE.search(declared[name][0]) or ABOUT.search(declared[name][1]) or MAKERS.match(name)}
    return {name: exports[name] for name in exports
            if name in about or (name not in declared and plain(name) in about | {"fdelt"})}


def calls():
    """The C libraries' calls that have to do with sockets, with the version that they came in"""
    exports = exported(c_library())
    path, options_musl = musl()
    declared = declarations(*options_musl)
    # Its parameters have no names: of those that glibc does not know, what begins with a number is taken for one.
    others = {name for name in exported(path) if name in declared and name not in exports
              and (WHOLE.search(declared[name][0]) or re.match(r"\(int\b", declared[name][1]))}
    return dict.fromkeys(others, "musl") | concerned(exports, declarations())


def options():
    """What the headers call SO_, TCP_, IP_ or IPV6_ and give a number: options of sockets, and constants"""
    found = {}
    for headers in ("sys/socket.h linux/tcp.h linux/in.h linux/in6.h", "netinet/in.h netinet/tcp.h"):
        source = "".join(f"#include <{header}>\n" for header in headers.split())
        macros = output("gcc", "-E", "-dM", "-D_GNU_SOURCE", "-x", "c", "-", input=source)
        names = re.findall(r"^#define ((?:SO|TCP|IP|IPV6)_[A-Z0-9_]+) ", macros, re.M)
        source += "".join(f'"{name}" {name};\n' for name in names)
        text = output("gcc", "-E", "-P", "-D_GNU_SOURCE", "-x", "c", "-", input=source)
        for name, number in re.findall(r'^"(\w+)" \(?(0x[0-9a-fA-F]+|\d+)\)?;$', text, re.M):
            found[name] = int(number, 0)
    return found


def wrapped():
    """What the shim stands in front of"""
    return set(exported(str(BUILD / "libslim.so")))


def system_calls():
    """System calls that the shim's source has"""
    source = "".join(path.read_text() for path in (TOP / "shim").glob("*.[ch]"))
    return set(re.findall(r"\bSYS_([a-z]\w+)", source))
