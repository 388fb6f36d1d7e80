/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef TESTS_MACOS_SYSTEM_EXTENSIONS_H
#define TESTS_MACOS_SYSTEM_EXTENSIONS_H

/* Declarations of our own, from Apple's documentation of SystemExtensions. */

#import <Foundation/Foundation.h>

typedef enum : NSInteger {
	OSSystemExtensionReplacementActionCancel,
	OSSystemExtensionReplacementActionReplace,
} OSSystemExtensionReplacementAction;

typedef enum : NSInteger {
	OSSystemExtensionRequestCompleted,
	OSSystemExtensionRequestWillCompleteAfterReboot,
} OSSystemExtensionRequestResult;

@class OSSystemExtensionRequest;

@interface OSSystemExtensionProperties : NSObject
@end

@protocol OSSystemExtensionRequestDelegate <NSObject>
- (OSSystemExtensionReplacementAction)request:(OSSystemExtensionRequest *)request
		  actionForReplacingExtension:(OSSystemExtensionProperties *)existing
				withExtension:(OSSystemExtensionProperties *)ext;
- (void)requestNeedsUserApproval:(OSSystemExtensionRequest *)request;
- (void)request:(OSSystemExtensionRequest *)request didFinishWithResult:(OSSystemExtensionRequestResult)result;
- (void)request:(OSSystemExtensionRequest *)request didFailWithError:(NSError *)error;
@end

@interface OSSystemExtensionRequest : NSObject
+ (instancetype)activationRequestForExtension:(NSString *)identifier queue:(dispatch_queue_t)queue;
+ (instancetype)deactivationRequestForExtension:(NSString *)identifier queue:(dispatch_queue_t)queue;
@property (weak) id<OSSystemExtensionRequestDelegate> delegate;
@end

@interface OSSystemExtensionManager : NSObject
@property (class, readonly) OSSystemExtensionManager *sharedManager;
- (void)submitRequest:(OSSystemExtensionRequest *)request;
@end

#endif
