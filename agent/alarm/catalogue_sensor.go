package alarm

import (
	"time"

	"kentongan/agent/report"
)

// Kinds of sources around the device.
const (
	Sensor Kind = "sensor"
	Line   Kind = "line"
)

// sensorRows are the conditions of sensors and contacts. Whoever looks at them
// has limits with hysteresis and holds of its own, so most need no delay here. A
// cabinet warms slowly: a minute tells a fan that stopped from a ray of sun. A
// sensor that is lost hides nothing: it was too hot, and nobody knows better.
var sensorRows = []Condition{
	{
		Kind: Sensor, Name: "too_hot", Severity: report.Major, Raise: time.Minute, Clear: time.Minute,
		Text:   report.Text{ID: "Suhu terlalu panas", EN: "It is too hot there"},
		Action: report.Text{ID: "Periksa kipas, ventilasi dan penyaring udara kabinet.", EN: "Check the cabinet's fan, vents and air filter."},
	},
	{
		Kind: Sensor, Name: "too_cold", Severity: report.Minor, Raise: time.Minute, Clear: time.Minute,
		Text:   report.Text{ID: "Suhu terlalu dingin", EN: "It is too cold there"},
		Action: report.Text{ID: "Periksa pemanas dan pintu kabinet.", EN: "Check the cabinet's heater and door."},
	},
	{
		Kind: Sensor, Name: "humid", Severity: report.Minor, Raise: time.Minute, Clear: time.Minute,
		Text:   report.Text{ID: "Udara terlalu lembap", EN: "It is too humid there"},
		Action: report.Text{ID: "Periksa karet pintu dan lubang kabel kabinet; ganti bahan pengering.", EN: "Check the cabinet's door seal and cable holes; change the drying agent."},
	},
	{
		Kind: Sensor, Name: "low_voltage", Severity: report.Major, Raise: 10 * time.Second, Clear: time.Minute,
		Text:   report.Text{ID: "Tegangan terlalu rendah", EN: "Voltage is too low"},
		Action: report.Text{ID: "Periksa catu daya, baterai dan sambungan kabelnya.", EN: "Check the power supply, the battery and their wiring."},
	},
	{
		Kind: Sensor, Name: "sensor_lost", Severity: report.Warning, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Sensor tidak terbaca", EN: "Sensor does not read"},
		Action: report.Text{ID: "Periksa kabel sensor; rinciannya menyebut apa yang salah.", EN: "Check the sensor's wires; the detail says what is wrong."},
	},
	{
		Kind: Line, Name: "on_battery", Severity: report.Major, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Listrik padam, berjalan dengan baterai", EN: "Mains are gone, runs on battery"},
		Action: report.Text{ID: "Tanyakan PLN; periksa pemutus arus lokasi.", EN: "Ask the power company; check the site's circuit breaker."},
	},
	{
		Kind: Line, Name: "battery_low", Severity: report.Critical, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Baterai UPS hampir habis", EN: "UPS battery is low"},
		Action: report.Text{ID: "Pulihkan listrik segera; perangkat akan padam.", EN: "Bring the mains back soon; the device is about to go off."},
	},
	{
		Kind: Line, Name: "open", Severity: report.Minor, Clear: 5 * time.Second,
		Text:   report.Text{ID: "Pintu terbuka", EN: "Door is open"},
		Action: report.Text{ID: "Bila tidak ada teknisi di lokasi, kirim orang untuk melihat.", EN: "If no technician is there, send somebody to look."},
	},
	{
		Kind: Line, Name: "water", Severity: report.Critical, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Ada air di kabinet", EN: "Water in the cabinet"},
		Action: report.Text{ID: "Putuskan listrik lokasi bila perlu, lalu kirim orang.", EN: "Cut the site's power if need be, then send somebody."},
	},
	{
		Kind: Line, Name: "tamper", Severity: report.Major, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Ada yang membongkar perangkat", EN: "Somebody tampers with the device"},
		Action: report.Text{ID: "Lihat kamera terdekat dan kirim orang.", EN: "Look at the nearest camera and send somebody."},
	},
	{
		Kind: Line, Name: "active", Severity: report.Warning, Clear: 5 * time.Second,
		Text:   report.Text{ID: "Kontak aktif", EN: "Contact is active"},
		Action: report.Text{ID: "Lihat nama kontak itu di konfigurasi untuk artinya.", EN: "See the configuration for what this contact means."},
	},
	{
		Kind: Line, Name: "line_lost", Severity: report.Minor, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Jalur kontak tidak dapat dipakai", EN: "Contact's line can't be used"},
		Action: report.Text{ID: "Rinciannya menyebut jalur yang ada dan siapa yang memakainya; periksa konfigurasi.", EN: "The detail names the lines and who uses them; check the configuration."},
	},
}
