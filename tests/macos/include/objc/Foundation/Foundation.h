/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_FOUNDATION_H
#define TESTS_MACOS_FOUNDATION_H

/* Declarations of our own of what dext/app uses, from Apple's documentation of Foundation and libdispatch. */

#include <darwin_libc.h>

typedef signed char BOOL;
typedef long NSInteger;

__attribute__((objc_root_class))
@interface NSObject
+ (instancetype)alloc;
- (instancetype)init;
@end

@protocol NSObject
@end

@interface NSString : NSObject
@property (readonly) const char *UTF8String;
- (NSString *)stringByAppendingString:(NSString *)more;
@end

/* what the compiler makes of a literal */
@interface NSConstantString : NSString
@end

@interface NSError : NSObject
@property (readonly) NSInteger code;
@property (readonly) NSString *localizedDescription;
@end

@interface NSBundle : NSObject
@property (class, readonly) NSBundle *mainBundle;
@property (readonly) NSString *bundleIdentifier;
@end

@protocol OS_dispatch_queue
@end
typedef id<OS_dispatch_queue> dispatch_queue_t;
dispatch_queue_t dispatch_get_main_queue(void);
void dispatch_main(void) __attribute__((noreturn));

#endif
