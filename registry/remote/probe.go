package remote

import (
	"context"
	"net/http"
	"net/url"

	orasremote "oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// ProbePush implements registry.Prober. Some registries want another right for cancelling an upload than for pushing.
func (r *remote) ProbePush(ctx context.Context, repo string) (left bool, err error) {
	var upload *url.URL
	err = r.push(ctx, "beginning an upload to", repo, "", func(o *orasremote.Repository) error {
		resp, err := request(ctx, o, http.MethodPost, endpoint(o, "blobs/uploads/"))
		if err != nil {
			return err
		}
		if upload, err = resp.Location(); err != nil {
			return err
		}
		if upload.Host != resp.Request.URL.Host || upload.Scheme != resp.Request.URL.Scheme { // oras-go does not go there either
			upload = nil
		}
		return nil
	})
	if err != nil || upload == nil {
		return err == nil, err
	}
	err = r.do(ctx, "cancelling an upload to", repo, "", func(o *orasremote.Repository) error {
		_, err := request(ctx, o, http.MethodDelete, upload.String())
		return err
	})
	return err != nil, nil
}

// request makes a request without a body whose answer has none of interest.
func request(ctx context.Context, o *orasremote.Repository, method, url string) (*http.Response, error) {
	ctx = auth.AppendRepositoryScope(ctx, o.Reference, auth.ActionPull, auth.ActionPush)
	req, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := o.Client.Do(req)
	if err == nil {
		resp.Body.Close()
	}
	return resp, err
}
