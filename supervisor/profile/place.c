/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "supervisor/profile/place.h"

#include <stddef.h>

int
place_frame(struct profile *p, struct names *names, uint64_t pc, bool call, struct place *place,
            struct profile_frame *ret)
{
    struct names_mapping at;

    *ret = (struct profile_frame){.address = pc - call};
    if (!names) {
        ret->function = "[of a process that was gone]";
        return 0;
    }
    names_place(names, pc, call, place);
    ret->function = place->function[0] ? place->function : NULL;
    ret->file = place->file[0] ? place->file : NULL;
    ret->line = place->line <= INT32_MAX ? (int)place->line : 0;
    if (!names_mapping(names, pc - call, &at)) {
        if (!ret->function) /* pprof has no file to look it up in */
            ret->function = place->unmapped ? "[unloaded]" : "[made at run time]";
        return 0;
    }
    return profile_mapping(p,
                           &(struct profile_mapping){.start = at.start,
                                                     .limit = at.end,
                                                     .offset = at.offset,
                                                     .file = at.path,
                                                     .build_id = at.build_id,
                                                     .has_functions = place->function[0] != '\0',
                                                     .has_files = place->file[0] != '\0',
                                                     .has_lines = place->line > 0},
                           &ret->mapping);
}
