#include <darwin_libc.h>
