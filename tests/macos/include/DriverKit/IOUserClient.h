#include <DriverKit/driverkit.h>
