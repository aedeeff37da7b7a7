package alarm

import (
	"slices"
	"strings"
	"time"

	"kentongan/agent/report"
)

// Kind is what a source is: the part of its name before the slash.
type Kind string

// Kinds of sources.
const (
	Stream Kind = "stream"
	App    Kind = "app"
	Grp    Kind = "group"
	Device Kind = "device"
)

// KindOf is the kind of a source.
func KindOf(source string) Kind {
	kind, _, _ := strings.Cut(source, "/")
	return Kind(kind)
}

// Condition is a row of the catalogue.
type Condition struct {
	Kind     Kind
	Name     string
	Severity string
	Raise    time.Duration // present so long before it is told
	Clear    time.Duration // absent so long before it is over
	Text     report.Text
	Action   report.Text
	Hides    []string // conditions of the same source that follow from this one; "*" is all others
	Together bool     // counts as the failure of a member of a group
}

// lookup finds a row.
func lookup(kind Kind, name string) *Condition {
	for i := range catalogue {
		if catalogue[i].Kind == kind && catalogue[i].Name == name {
			return &catalogue[i]
		}
	}
	return nil
}

// Catalogue returns all conditions.
func Catalogue() []Condition { return catalogue }

// A camera's silence is found within 9 s and a picture's faults after several
// looks, by who looks; so those need no delay of their own here, and the centre
// has them in time. A camera that can't be reached is given 3 s, in which a
// session that broke is usually there again (a first try after at most 1 s, and a
// handshake); with 5 s the slowest of 22 dead cameras took 17 s to the centre.
// Clearing takes longer than raising (ISA-18.2 speaks of
// off-delay against chattering): 10 s is what a camera needs to show that it
// stays. Loss and the contract's figures change with each car that passes.
var catalogue = append([]Condition{
	{
		Kind: Stream, Name: "down", Severity: report.Major, Raise: 3 * time.Second, Clear: 10 * time.Second, Together: true, Hides: []string{"*"},
		Text:   report.Text{ID: "Kamera tidak dapat dihubungi", EN: "Camera can't be reached"},
		Action: report.Text{ID: "Periksa listrik dan kabel jaringan kamera, lalu alamat dan sandinya di konfigurasi.", EN: "Check the camera's power and network cable, then its address and password in the configuration."},
	},
	{
		Kind: Stream, Name: "silent", Severity: report.Major, Clear: 10 * time.Second, Together: true,
		Hides:  []string{"lossy", "clock", "fps", "bitrate", "gop", "codec", "size", "frozen", "black", "white", "covered", "blurred", "moved", "garbage"},
		Text:   report.Text{ID: "Kamera tersambung tetapi tidak mengirim gambar", EN: "Camera is connected but sends no picture"},
		Action: report.Text{ID: "Nyalakan ulang kamera; bila berulang, periksa kabel dan beban jaringan.", EN: "Restart the camera; if it comes back, check the cable and the load of the network."},
	},
	{
		Kind: Stream, Name: "garbage", Severity: report.Major, Clear: 10 * time.Second, Hides: pictures,
		Text:   report.Text{ID: "Gambar rusak dan tidak dapat dibuka", EN: "Picture is damaged and can't be decoded"},
		Action: report.Text{ID: "Periksa kehilangan paket di jaringan dan pengaturan video kamera.", EN: "Check for lost packets in the network and the camera's video settings."},
	},
	{
		Kind: Stream, Name: "black", Severity: report.Major, Clear: 10 * time.Second, Hides: []string{"frozen", "blurred", "moved"},
		Text:   report.Text{ID: "Gambar hitam", EN: "Picture is black"},
		Action: report.Text{ID: "Periksa tutup lensa, lampu inframerah dan sensor kamera.", EN: "Check the lens cap, the infrared light and the camera's sensor."},
	},
	{
		Kind: Stream, Name: "white", Severity: report.Major, Clear: 10 * time.Second, Hides: []string{"frozen", "blurred", "moved"},
		Text:   report.Text{ID: "Gambar putih", EN: "Picture is white"},
		Action: report.Text{ID: "Periksa cahaya yang mengenai lensa dan pengaturan cahaya kamera.", EN: "Check what light falls into the lens and the camera's exposure."},
	},
	{
		Kind: Stream, Name: "covered", Severity: report.Major, Clear: 10 * time.Second, Hides: []string{"frozen", "blurred", "moved"},
		Text:   report.Text{ID: "Lensa tertutup", EN: "Lens is covered"},
		Action: report.Text{ID: "Kirim orang untuk melihat kamera: lensa ditutup, dicat atau tertutup benda.", EN: "Send somebody to look: the lens is covered, painted or blocked."},
	},
	{
		Kind: Stream, Name: "frozen", Severity: report.Major, Clear: 10 * time.Second, Hides: []string{"blurred", "moved"},
		Text:   report.Text{ID: "Gambar membeku", EN: "Picture is frozen"},
		Action: report.Text{ID: "Nyalakan ulang kamera; gambarnya tidak berubah walau siaran berjalan.", EN: "Restart the camera; its picture does not change though the stream runs."},
	},
	{
		Kind: Stream, Name: "blurred", Severity: report.Minor, Clear: 30 * time.Second,
		Text:   report.Text{ID: "Gambar kabur", EN: "Picture is blurred"},
		Action: report.Text{ID: "Bersihkan lensa dan periksa fokusnya.", EN: "Clean the lens and check its focus."},
	},
	{
		Kind: Stream, Name: "moved", Severity: report.Minor, Clear: 30 * time.Second,
		Text:   report.Text{ID: "Kamera bergeser", EN: "Camera has been moved"},
		Action: report.Text{ID: "Arahkan kembali kamera, atau terima arah barunya.", EN: "Turn the camera back, or accept its new view."},
	},
	{
		Kind: Stream, Name: "lossy", Severity: report.Minor, Raise: 20 * time.Second, Clear: time.Minute, Hides: []string{"fps", "bitrate", "gop"},
		Text:   report.Text{ID: "Paket gambar hilang di jaringan", EN: "Packets of the picture are lost"},
		Action: report.Text{ID: "Periksa kabel, sambungan nirkabel dan beban jaringan menuju kamera.", EN: "Check the cable, the radio link and the load of the network to the camera."},
	},
	{
		Kind: Stream, Name: "fps", Severity: report.Minor, Raise: 10 * time.Second, Clear: time.Minute, Hides: []string{"bitrate", "gop"},
		Text:   report.Text{ID: "Gambar per detik tidak sesuai konfigurasi", EN: "Frame rate is not as configured"},
		Action: report.Text{ID: "Periksa pengaturan video kamera dan beban kerjanya.", EN: "Check the camera's video settings and its load."},
	},
	{
		Kind: Stream, Name: "bitrate", Severity: report.Warning, Raise: 10 * time.Second, Clear: time.Minute,
		Text:   report.Text{ID: "Laju data tidak sesuai konfigurasi", EN: "Bit rate is not as configured"},
		Action: report.Text{ID: "Periksa pengaturan video kamera.", EN: "Check the camera's video settings."},
	},
	{
		Kind: Stream, Name: "gop", Severity: report.Warning, Raise: 10 * time.Second, Clear: time.Minute,
		Text:   report.Text{ID: "Jarak gambar kunci tidak sesuai konfigurasi", EN: "Keyframe interval is not as configured"},
		Action: report.Text{ID: "Periksa pengaturan video kamera.", EN: "Check the camera's video settings."},
	},
	{
		Kind: Stream, Name: "codec", Severity: report.Minor, Clear: 10 * time.Second, Hides: []string{"bitrate", "gop"},
		Text:   report.Text{ID: "Jenis gambar tidak sesuai konfigurasi", EN: "Codec is not as configured"},
		Action: report.Text{ID: "Seseorang mengubah pengaturan kamera; kembalikan, atau ubah konfigurasi.", EN: "Somebody changed the camera's settings; change them back, or change the configuration."},
	},
	{
		Kind: Stream, Name: "size", Severity: report.Minor, Clear: 10 * time.Second, Hides: []string{"bitrate"},
		Text:   report.Text{ID: "Ukuran gambar tidak sesuai konfigurasi", EN: "Size of the picture is not as configured"},
		Action: report.Text{ID: "Seseorang mengubah pengaturan kamera; kembalikan, atau ubah konfigurasi.", EN: "Somebody changed the camera's settings; change them back, or change the configuration."},
	},
	{
		Kind: Stream, Name: "clock", Severity: report.Warning, Raise: 30 * time.Second, Clear: time.Minute,
		Text:   report.Text{ID: "Jam kamera tidak tepat", EN: "Camera's clock is wrong"},
		Action: report.Text{ID: "Atur NTP di kamera; rekamannya tidak dapat menjadi bukti waktu.", EN: "Set up NTP in the camera; its recordings are no evidence of a time."},
	},
	{
		Kind: App, Name: "unreachable", Severity: report.Major, Raise: 30 * time.Second, Clear: 30 * time.Second, Together: true, Hides: []string{"*"},
		Text:   report.Text{ID: "Aplikasi tidak dapat dihubungi dari lokasi ini", EN: "Application can't be reached from this place"},
		Action: report.Text{ID: "Bandingkan dengan lokasi lain; bila semua merah, hubungi pengelola aplikasi.", EN: "Compare with other places; if all are red, call the operator of the application."},
	},
	{
		Kind: App, Name: "wrong_answer", Severity: report.Major, Raise: 30 * time.Second, Clear: 30 * time.Second, Hides: []string{"slow"},
		Text:   report.Text{ID: "Aplikasi menjawab keliru", EN: "Application gives a wrong answer"},
		Action: report.Text{ID: "Hubungi pengelola aplikasi; halaman yang diterima warga bukan yang semestinya.", EN: "Call the operator of the application; citizens get a page that is not the right one."},
	},
	{
		Kind: App, Name: "slow", Severity: report.Minor, Raise: time.Minute, Clear: 2 * time.Minute,
		Text:   report.Text{ID: "Aplikasi lambat", EN: "Application is slow"},
		Action: report.Text{ID: "Periksa beban aplikasi dan jaringan di lokasi ini.", EN: "Check the load of the application and the network of this place."},
	},
	{
		Kind: App, Name: "certificate", Severity: report.Warning, Clear: 10 * time.Second,
		Text:   report.Text{ID: "Sertifikat aplikasi bermasalah atau akan habis", EN: "Application's certificate is bad or about to expire"},
		Action: report.Text{ID: "Minta pengelola aplikasi memperbarui sertifikatnya.", EN: "Ask the operator of the application to renew its certificate."},
	},
	{
		Kind: Grp, Name: "address_down", Severity: report.Critical, Raise: groupRaise, Clear: groupClear,
		Text:   report.Text{ID: "Semua atau banyak kamera di satu alamat mati bersamaan", EN: "Many cameras at one address failed together"},
		Action: report.Text{ID: "Periksa perekam, encoder atau perute di alamat itu.", EN: "Check the recorder, encoder or router at that address."},
	},
	{
		Kind: Grp, Name: "switch_down", Severity: report.Critical, Raise: groupRaise, Clear: groupClear,
		Text:   report.Text{ID: "Sakelar jaringan mati atau terputus", EN: "Network switch is dead or cut off"},
		Action: report.Text{ID: "Periksa listrik sakelar dan kabel menuju sakelar itu.", EN: "Check the switch's power and the cable to it."},
	},
	{
		Kind: Grp, Name: "poe_down", Severity: report.Critical, Raise: groupRaise, Clear: groupClear,
		Text:   report.Text{ID: "Pemberi daya PoE mati", EN: "PoE supply is dead"},
		Action: report.Text{ID: "Periksa listrik dan batas daya pemberi PoE.", EN: "Check the PoE supply's power and its limit."},
	},
	{
		Kind: Grp, Name: "site_down", Severity: report.Critical, Raise: groupRaise, Clear: groupClear,
		Text:   report.Text{ID: "Kamera satu lokasi mati bersamaan", EN: "Cameras of one site failed together"},
		Action: report.Text{ID: "Periksa listrik dan jaringan lokasi itu; tanyakan PLN dan penyedia jaringan.", EN: "Check the site's power and network; ask the power company and the network provider."},
	},
	{
		Kind: Grp, Name: "apps_down", Severity: report.Critical, Raise: groupRaise, Clear: groupClear,
		Text:   report.Text{ID: "Aplikasi tidak dapat dihubungi dari lokasi ini: jaringannya", EN: "Applications can't be reached from this place: its network"},
		Action: report.Text{ID: "Periksa sambungan internet lokasi ini.", EN: "Check this place's connection to the internet."},
	},
	{
		Kind: Device, Name: "stall", Severity: report.Minor, Clear: 0,
		Text:   report.Text{ID: "Perangkat sempat tidak berjalan", EN: "Device was not running for a while"},
		Action: report.Text{ID: "Periksa catu daya, suhu dan kartu SD perangkat; kamera tidak dinilai selama itu.", EN: "Check the device's power supply, temperature and SD card; cameras were not judged meanwhile."},
	},
}, slices.Concat(sensorRows, kioskRows, updateRows)...)

// pictures are the verdicts on a picture that was decoded.
var pictures = []string{"frozen", "black", "white", "covered", "blurred", "moved"}

// hides tells whether c explains a condition of the same source.
func (c *Condition) hides(name string) bool {
	for _, h := range c.Hides {
		if h == name || h == "*" && name != c.Name {
			return true
		}
	}
	return false
}
