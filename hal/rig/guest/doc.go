// Package guest holds the tests that run inside the emulated machine of
// hal/rig, as its init. They have the build tag rigguest, because anywhere else
// they would find no chip and nobody to move its wires.
package guest
