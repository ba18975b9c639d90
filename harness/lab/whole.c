/* SPDX-License-Identifier: MIT */
#include "whole.h"
#include "command.h"
#include "error.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The folder of a path, "." for a bare name. */
static char *folder_of(const char *path) {
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return lab_strdup(".");
    return slash == path ? lab_strdup("/") : lab_printf("%.*s", (int)(slash - path), path);
}

static int cannot_write(const char *path, int code) {
    return lab_error(LAB_DISK, "cannot write %s (%s): what was there is kept; %s", path, strerror(code != 0 ? code : EIO),
                     code == EFBIG ? "raise the limit (ulimit -f)" : "free some space or name another place");
}

/* mkstemp makes files that only their owner may read. */
static void set_usual_mode(int fd) {
    mode_t mask = umask(0);
    umask(mask);
    if (fchmod(fd, 0666 & ~mask) != 0)
        errno = 0; /* the owner can read it */
}

static bool is_stream(const char *path) {
    struct stat there;
    return stat(path, &there) == 0 && !S_ISREG(there.st_mode);
}

int whole_begin(struct whole_file *w, const char *path) {
    char *target = realpath(path, NULL); /* a link stays a link */
    *w = (struct whole_file){.path = target != NULL ? lab_strdup(target) : lab_strdup(path)};
    free(target);
    errno = 0;
    if (is_stream(w->path)) {
        w->out = fopen(w->path, "we");
    } else {
        char *folder = folder_of(w->path);
        const char *slash = strrchr(w->path, '/');
        w->beside = lab_printf("%s/.%s.part-XXXXXX", folder, slash != NULL ? slash + 1 : w->path);
        int fd = mkostemp(w->beside, O_CLOEXEC);
        if (fd >= 0)
            set_usual_mode(fd);
        w->out = fd >= 0 ? fdopen(fd, "w") : NULL;
        free(folder);
    }
    if (w->out != NULL)
        return LAB_OK;
    int code = cannot_write(path, errno);
    free(w->path);
    free(w->beside);
    *w = (struct whole_file){0};
    return code;
}

void whole_abandon(struct whole_file *w) {
    if (w->out != NULL)
        fclose(w->out);
    if (w->beside != NULL)
        unlink(w->beside);
    free(w->path);
    free(w->beside);
    *w = (struct whole_file){0};
}

/* The name is on the disk when its folder is. */
static void sync_folder(const char *path) {
    char *folder = folder_of(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* errno of what failed, 0 when all is on the disk. */
static int close_whole(struct whole_file *w) {
    errno = 0;
    bool good = fflush(w->out) == 0 && ferror(w->out) == 0;
    int code = good ? 0 : errno != 0 ? errno : EIO;
    if (code == 0 && w->beside != NULL && fsync(fileno(w->out)) != 0)
        code = errno;
    errno = 0;
    if (fclose(w->out) != 0 && code == 0)
        code = errno != 0 ? errno : EIO;
    w->out = NULL;
    return code;
}

int whole_end(struct whole_file *w) {
    int failed = close_whole(w);
    if (failed == 0 && w->beside != NULL) {
        if (rename(w->beside, w->path) != 0)
            failed = errno;
        else
            sync_folder(w->path);
    }
    int code = failed == 0 ? LAB_OK : cannot_write(w->path, failed);
    if (failed == 0) {
        free(w->beside);
        w->beside = NULL;
    }
    whole_abandon(w);
    return code;
}

char *whole_temporary_name(const char *what) {
    const char *folder = getenv("TMPDIR");
    return lab_printf("%s/spanlab-%s-XXXXXX", folder != NULL && folder[0] != '\0' ? folder : "/tmp", what);
}

int whole_temporary_error(const char *name) {
    char *folder = folder_of(name);
    int code = lab_error(LAB_DISK, "no temporary file can be made in %s (%s): %s", folder, strerror(errno),
                         errno == EFBIG ? "raise the limit (ulimit -f)" : "set TMPDIR to a folder that can be written");
    free(folder);
    return code;
}
