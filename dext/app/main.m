/* SPDX-License-Identifier: BSD-3-Clause */
#import <Foundation/Foundation.h>
#import <SystemExtensions/SystemExtensions.h>

/*
 * The application that contains the driver extension: macOS takes an extension from one only, which has to lie
 * in /Applications. It asks for the extension to be installed, or to be removed, says what comes of it, and ends.
 */

#define FAILED	1
#define USAGE	2

@interface Asker : NSObject <OSSystemExtensionRequestDelegate>
@end

@implementation Asker

/* Another version is replaced. */
- (OSSystemExtensionReplacementAction)request:(OSSystemExtensionRequest *)request
		  actionForReplacingExtension:(OSSystemExtensionProperties *)existing
				withExtension:(OSSystemExtensionProperties *)ext
{
	return OSSystemExtensionReplacementActionReplace;
}

- (void)requestNeedsUserApproval:(OSSystemExtensionRequest *)request
{
	fprintf(stderr, "approve it in System Settings, General, Login Items & Extensions, Driver Extensions\n");
}

- (void)request:(OSSystemExtensionRequest *)request didFinishWithResult:(OSSystemExtensionRequestResult)result
{
	puts(result == OSSystemExtensionRequestCompleted ? "done" : "done once this Mac has been restarted");
	exit(0);
}

- (void)request:(OSSystemExtensionRequest *)request didFailWithError:(NSError *)error
{
	fprintf(stderr, "not done: %s (%ld)\n", error.localizedDescription.UTF8String, (long)error.code);
	exit(FAILED);
}

@end

int main(int argc, char **argv)
{
	NSString *bundle = NSBundle.mainBundle.bundleIdentifier, *extension;
	OSSystemExtensionRequest *request;
	Asker *asker = [[Asker alloc] init];	/* the request does not keep it; it lives as long as we do */
	BOOL remove = argc > 1 && !strcmp(argv[1], "remove");

	if (argc > 2 || (argc == 2 && !remove && strcmp(argv[1], "install") != 0)) {
		fprintf(stderr, "Usage: gangway-extension [install|remove]\n");
		return USAGE;
	}
	if (!bundle) {
		fprintf(stderr, "this program has to be in its application, in /Applications\n");
		return FAILED;
	}
	extension = [bundle stringByAppendingString:@".dext"];
	if (remove)
		request = [OSSystemExtensionRequest deactivationRequestForExtension:extension
									      queue:dispatch_get_main_queue()];
	else
		request = [OSSystemExtensionRequest activationRequestForExtension:extension
									    queue:dispatch_get_main_queue()];
	request.delegate = asker;
	[OSSystemExtensionManager.sharedManager submitRequest:request];
	dispatch_main();
}
