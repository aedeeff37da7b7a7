//go:build !race

package longrun

// raceDetector makes everything several times slower.
const raceDetector = false
