package open311

import (
	"encoding/json"
	"encoding/xml"
)

// The answers, by the field list of the standard. Each list is an element of its
// own in XML and a bare array in JSON. Fields that we know nothing of are there
// and empty, as the standard's examples have them.

type services struct {
	XMLName xml.Name  `xml:"services"`
	List    []service `xml:"service"`
}

// MarshalJSON writes the list without its frame.
func (s services) MarshalJSON() ([]byte, error) { return json.Marshal(s.List) }

type service struct {
	Code        string `json:"service_code" xml:"service_code"`
	Name        string `json:"service_name" xml:"service_name"`
	Description string `json:"description" xml:"description"`
	Metadata    bool   `json:"metadata" xml:"metadata"`
	Type        string `json:"type" xml:"type"` // batch: a token first, the number later
	Keywords    string `json:"keywords" xml:"keywords"`
	Group       string `json:"group" xml:"group"`
}

type requests struct {
	XMLName xml.Name  `xml:"service_requests"`
	List    []request `xml:"request"`
}

// MarshalJSON writes the list without its frame.
func (s requests) MarshalJSON() ([]byte, error) { return json.Marshal(s.List) }

// request is a whole request, or, with a token, only its number.
type request struct {
	ID          string
	Token       string
	Status      string // open, closed
	Notes       string
	Name        string
	Code        string
	Description string
	Agency      string
	Requested   string
	Updated     string
	Address     string
	Lat, Long   *float64
}

// tokenAnswer and requestAnswer are the two forms of a request.
type (
	tokenAnswer struct {
		XMLName xml.Name `json:"-" xml:"request"`
		ID      string   `json:"service_request_id" xml:"service_request_id"`
		Token   string   `json:"token" xml:"token"`
	}
	requestAnswer struct {
		XMLName     xml.Name `json:"-" xml:"request"`
		ID          string   `json:"service_request_id" xml:"service_request_id"`
		Status      string   `json:"status" xml:"status"`
		Notes       string   `json:"status_notes" xml:"status_notes"`
		Name        string   `json:"service_name" xml:"service_name"`
		Code        string   `json:"service_code" xml:"service_code"`
		Description string   `json:"description" xml:"description"`
		Agency      string   `json:"agency_responsible" xml:"agency_responsible"`
		Notice      string   `json:"service_notice" xml:"service_notice"`
		Requested   string   `json:"requested_datetime" xml:"requested_datetime"`
		Updated     string   `json:"updated_datetime" xml:"updated_datetime"`
		Expected    string   `json:"expected_datetime" xml:"expected_datetime"`
		Address     string   `json:"address" xml:"address"`
		AddressID   string   `json:"address_id" xml:"address_id"`
		Zip         string   `json:"zipcode" xml:"zipcode"`
		Lat         *float64 `json:"lat" xml:"lat"`
		Long        *float64 `json:"long" xml:"long"`
		Media       string   `json:"media_url" xml:"media_url"`
	}
)

func (r request) form() any {
	if r.Token != "" {
		return tokenAnswer{ID: r.ID, Token: r.Token}
	}
	return requestAnswer{
		ID: r.ID, Status: r.Status, Notes: r.Notes, Name: r.Name, Code: r.Code, Description: r.Description, Agency: r.Agency,
		Requested: r.Requested, Updated: r.Updated, Address: r.Address, Lat: r.Lat, Long: r.Long,
	}
}

// MarshalJSON writes the form.
func (r request) MarshalJSON() ([]byte, error) { return json.Marshal(r.form()) }

// MarshalXML writes the form.
func (r request) MarshalXML(e *xml.Encoder, _ xml.StartElement) error { return e.Encode(r.form()) }

type failures struct {
	XMLName xml.Name  `xml:"errors"`
	List    []failure `xml:"error"`
}

// MarshalJSON writes the list without its frame.
func (f failures) MarshalJSON() ([]byte, error) { return json.Marshal(f.List) }

type failure struct {
	Code        int    `json:"code" xml:"code"`
	Description string `json:"description" xml:"description"`
}
